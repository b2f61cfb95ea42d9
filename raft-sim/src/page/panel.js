// The panel: what happened at the selected moment, what it changed, the logs, and what came before
// and after. Everything is made of elements and text, never of markup in the data.

const byId = (id) => document.getElementById(id);

/// An element with attributes and children; strings become text.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "click") element.addEventListener("click", value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const fill = (id, ...children) => byId(id).replaceChildren(...children.filter((child) => child !== null));
const title = (text) => make("h2", null, text);

// ---- what happened ----------------------------------------------------------------------------

const KINDS = {
  started: "starts", stopped: "goes down", struck: "fault", over: "fault over", healed: "healed", sent: "sends", arrived: "gets", stepped: "steps",
  asked: "client", turned: "client call", answered: "client answer", gave_up: "client", note: "note", violated: "violation",
};

function whatHappened(at) {
  const happening = happenings[at];
  const where = happening.node === null ? "the world" : name(happening.node);
  const head = make("p", { class: "head" }, `${where} · ${KINDS[happening.what] || happening.what}`);
  const when = make("p", { class: "quiet" }, `${seconds(happening.at)} s, happening ${happening.number}`);
  const parts = [head, when];
  switch (happening.what) {
    case "stepped": parts.push(...stepParts(happening)); break;
    case "sent": parts.push(...sentParts(happening, at)); break;
    case "arrived": parts.push(...arrivedParts(happening)); break;
    case "violated": parts.push(...violatedParts(happening)); break;
    default: parts.push(make("p", { class: "says" }, line(happening)));
  }
  fill("what", ...parts);
}

function stepParts(step) {
  if (step.events.length === 0) return [make("p", { class: "quiet" }, stepText(step))];
  return step.events.map((said) => make("div", { class: "says" }, make("p", null, said.text), ruleOf(said.rule)));
}

/// A rule's key, where it stands in the paper, and what it says.
function ruleOf(key) {
  const rule = rules[key];
  return make("p", { class: "quiet" }, make("span", { class: "key" }, key), rule ? ` ${rule.section}: ${rule.says}` : "");
}

function fieldsOf(sent) {
  const rows = Object.entries(sent.fields).filter(([, value]) => value !== "");
  if (rows.length === 0) return null;
  const row = ([key, value]) => make("tr", null, make("th", { scope: "row" }, key), make("td", { class: "data" }, value));
  return make("div", { class: "scroll" }, make("table", null, make("tbody", null, ...rows.map(row))));
}

function sentParts(sent, at) {
  const letter = letters.get(sent.letter);
  const parts = [make("p", { class: "says" }, `${letterText(sent)}, to ${name(sent.to)}`), fieldsOf(sent)];
  const copy = sent.copy === null ? "" : ` The network doubled it; the copy is ${FATES[sent.copy]}.`;
  const arrives = letter && letter.arrivals.length > 0 && sent.fate === "travels";
  const fate = arrives ? "" : `It is ${FATES[sent.fate]}.`;
  if (fate || copy) parts.push(make("p", { class: "quiet" }, fate + copy));
  for (const arrived of letter ? letter.arrivals : []) {
    const after = ((happenings[arrived].at - happenings[at].at) / 1e6).toFixed(3);
    const lost = happenings[arrived].taken ? "" : ", where nobody takes it in";
    parts.push(make("button", { type: "button", click: () => select(arrived) }, `arrives ${after} ms later${lost} →`));
  }
  return parts.filter((part) => part !== null);
}

function arrivedParts(arrived) {
  const letter = letters.get(arrived.letter);
  const sent = sentOf(arrived.letter);
  const parts = [make("p", { class: "says" }, line(arrived)), sent ? fieldsOf(sent) : null];
  if (!letter) return parts.filter((part) => part !== null);
  const ago = ((arrived.at - sent.at) / 1e6).toFixed(3);
  parts.push(make("button", { type: "button", click: () => select(letter.sent) }, `← was sent ${ago} ms before`));
  return parts.filter((part) => part !== null);
}

function violatedParts(violated) {
  const words = told.property;
  return [
    make("div", { class: "says broken" }, make("p", null, make("strong", null, violated.property)), words ? make("p", null, words) : null, make("p", null, violated.text)),
  ];
}

// ---- nodes ------------------------------------------------------------------------------------

const SHORT = { "pre-candidate": "pre-cand." };

const ROWS = [
  ["role", (view) => (!view.up ? "down" : view.state ? SHORT[view.state.role] || view.state.role : "starting")],
  ["term", (view) => (view.state ? String(view.state.term) : "")],
  ["vote", (view) => (view.state ? (view.state.vote === null ? "–" : name(view.state.vote)) : "")],
  ["follows", (view) => (view.state ? (view.state.leader === null ? "–" : name(view.state.leader)) : "")],
  ["last", (view) => (view.state ? String(view.state.last) : String(view.first + view.log.length - 1))],
  ["durable", (view) => (view.state ? String(view.state.durable) : "")],
  ["commit", (view) => (view.state ? String(view.state.commit) : "")],
  ["applied", (view) => (view.state ? String(view.state.applied) : "")],
];

function statesAfter(at) {
  const before = viewsAt(at - 1);
  const after = viewsAt(at);
  const here = laneOf.get(happenings[at].node);
  const head = make("tr", null, make("th", null, ""), ...nodes.map((node, lane) => make("th", { scope: "col", class: lane === here ? "here" : null }, name(node))));
  const cell = (read, lane) => {
    const was = read(before[lane]);
    const is = read(after[lane]);
    if (was === is) return make("td", { class: lane === here ? "here" : null }, is);
    return make("td", { class: "changed", "aria-label": `${was || "nothing"}, now ${is || "nothing"}` }, make("del", null, was || "–"), " → ", is || "–");
  };
  const rows = ROWS.map(([label, read]) => make("tr", null, make("th", { scope: "row" }, label), ...nodes.map((_, lane) => cell(read, lane))));
  after.forEach((view, lane) => {
    if (view.state && view.state.followers.length > 0) rows.push(followersOf(view, before[lane]));
  });
  const faults = after.filter((view) => view.state && view.state.fault).map((view) => make("p", { class: "says broken" }, `${name(view.node)} stopped: ${view.state.fault}`));
  const table = make("table", { class: nodes.length > 4 ? "dense" : null }, make("thead", null, head), make("tbody", null, ...rows));
  fill("states", title(here === undefined ? "Nodes" : "Nodes, before → after"), scroller(table), ...faults);
}

/// A table that scrolls sideways for itself, with the selected node's column in sight.
function scroller(table) {
  const box = make("div", { class: "scroll" }, table);
  requestAnimationFrame(() => {
    const here = table.querySelector("th.here");
    if (here) box.scrollLeft = Math.max(0, here.offsetLeft + here.offsetWidth + 12 - box.clientWidth);
  });
  return box;
}

/// What a leader takes its followers to hold, in their columns.
function followersOf(view, before) {
  const knew = new Map(((before.state && before.state.followers) || []).map((one) => [one.node, `${one.matched} / ${one.next}`]));
  const knows = new Map(view.state.followers.map((one) => [one.node, `${one.matched} / ${one.next}`]));
  const cell = (node) => {
    const is = knows.get(node) || "";
    const was = knew.get(node) || "";
    if (is === was || was === "") return make("td", null, is);
    return make("td", { class: "changed" }, make("del", null, was), " → ", is);
  };
  return make("tr", null, make("th", { scope: "row", title: "the last entry known to match, and the next to send" }, `match/next, ${name(view.node)}`), ...nodes.map(cell));
}

// ---- logs -------------------------------------------------------------------------------------

let logRows = 12; // how many indexes are shown

function logsAfter(at) {
  const before = viewsAt(at - 1);
  const after = viewsAt(at);
  const here = laneOf.get(happenings[at].node);
  const lastOf = (view) => view.first + view.log.length - 1;
  const last = Math.max(0, ...after.map(lastOf), ...before.map(lastOf));
  const focus = Math.min(last, Math.max(logRows, wanted(happenings[at], after)));
  const from = Math.max(1, focus - logRows + 1);
  const head = make("tr", null, make("th", null, "index"), ...nodes.map((node, lane) => make("th", { scope: "col", class: lane === here ? "here" : null }, name(node))));
  const rows = [];
  for (let index = from; index <= Math.min(last, from + logRows - 1); index++) {
    rows.push(make("tr", null, make("th", { scope: "row" }, String(index)), ...after.map((view, lane) => entry(view, before[lane], index))));
  }
  const later = last - (from + logRows - 1);
  if (later > 0) rows.push(make("tr", null, make("th", { scope: "row" }, "…"), make("td", { class: "absent", colspan: String(nodes.length) }, `${later} later`)));
  const more = from > 1 ? make("button", { type: "button", click: () => { logRows += 24; select(at); } }, `${plural(from - 1, "earlier index").replace("indexs", "indexes")}`) : null;
  const legend = make("p", { class: "quiet" }, "✓ applied · c committed, the double line below the last one · dashed: not durable yet · ▣ snapshot");
  const table = make("table", { class: nodes.length > 4 ? "dense" : null }, make("thead", null, head), make("tbody", null, ...rows));
  fill("logs", title("Logs"), more, last > 0 ? scroller(table) : make("p", { class: "quiet" }, "No node holds an entry."), last > 0 ? legend : null);
}

/// The last index that should be in sight: of what a violation names, of what just changed, or a
/// little beyond what is committed anywhere.
function wanted(happening, after) {
  const named = happening.what === "violated" ? /(\d+)@T\d+/.exec(happening.text) : null;
  if (named) return Number(named[1]) + Math.floor(logRows / 2);
  if (happening.log) return happening.log.from + happening.log.lines.length;
  const commits = after.filter((view) => view.state).map((view) => view.state.commit);
  if (commits.length === 0) return Infinity; // all are down: the ends of what their disks hold
  return Math.max(...commits) + Math.floor(logRows / 2);
}

function entry(view, before, index) {
  const held = view.log[index - view.first];
  const was = before.log[index - before.first];
  const state = view.state;
  if (state && state.snapshot >= index) return make("td", { class: "gone" }, "▣");
  if (!held) {
    if (was) return make("td", { class: "changed", title: `removed: T${was.term} ${was.text}` }, make("del", null, `T${was.term} ${was.text}`));
    return make("td", { class: "absent" }, "");
  }
  const same = was && was.term === held.term && was.text === held.text;
  const classes = [`term-${held.term % 6}`];
  if (!same) classes.push("changed");
  if (state && state.durable < index) classes.push("open");
  if (state && state.commit === index) classes.push("edge");
  const mark = !state ? "" : state.applied >= index ? "✓ " : state.commit >= index ? "c " : "";
  return make("td", { class: classes.join(" "), title: `${index}@T${held.term} ${held.text}` }, mark, make("span", { class: "term" }, `T${held.term}`), ` ${held.text}`);
}

// ---- before and after -------------------------------------------------------------------------

function around(at) {
  const place = rank[at];
  const from = Math.max(0, place - 6);
  const rows = [];
  for (let each = from; each < Math.min(shown.length, from + 14); each++) {
    const one = shown[each];
    const happening = happenings[one];
    const button = make("button", { type: "button", "aria-current": one === at ? "true" : null, click: () => select(one) },
      make("span", { class: "data" }, seconds(happening.at)), make("span", null, happening.node === null ? "" : name(happening.node)), make("span", null, line(happening)));
    rows.push(make("li", null, button));
  }
  fill("around", title("Before and after"), make("ol", { class: "near" }, ...rows));
}

function tellStory() {
  if (!told.story) return;
  fill("story", make("details", { open: happenings.length === 0 }, make("summary", null, "The story on one screen"), make("pre", null, told.story)),
    make("details", null, make("summary", null, "Settings of this world"), make("table", null, make("tbody", null, ...recording.settings.map(([key, value]) => make("tr", null, make("th", { scope: "row" }, key), make("td", { class: "data" }, value)))))));
}
