// The recording as the page reads it: what each node looked like after each happening, which
// letter went where, and what a happening is in words. Nothing here draws.

const recording = JSON.parse(document.getElementById("recording").textContent);
const rules = JSON.parse(document.getElementById("rules").textContent);
const told = JSON.parse(document.getElementById("told").textContent);
const happenings = recording.happenings;
const nodes = recording.start.map((view) => view.node);
const laneOf = new Map(nodes.map((node, lane) => [node, lane]));

const HEARTBEATS = new Set(["Heartbeat", "HeartbeatReply"]);
const CLIENTS = new Set(["asked", "turned", "answered", "gave_up"]);
const LASTING = new Set(["Cut", "Gag", "Storm", "Namesake", "Pause", "Slow", "Rate"]);
const EACH = 128; // happenings between two kept pictures of all nodes

const seconds = (nanos) => (nanos / 1e9).toFixed(6);
const name = (node) => "n" + node;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// ---- how nodes looked -------------------------------------------------------------------------

/// The views after one more happening. What does not change is shared, nothing is overwritten.
function advance(views, happening) {
  const lane = laneOf.get(happening.node);
  if (lane === undefined) return views;
  let view = views[lane];
  if (happening.what === "started") view = { ...view, up: true };
  else if (happening.what === "stopped") view = { ...view, up: false, state: null };
  else if (happening.what === "stepped" && (happening.state || happening.log)) {
    view = { ...view };
    if (happening.state) view.state = happening.state;
    if (happening.log) {
      const { first, from, lines } = happening.log;
      const gap = from < view.first || from > view.first + view.log.length; // a snapshot stands for the rest
      const held = gap ? { first: from, log: [] } : view;
      const log = held.log.slice(0, from - held.first).concat(lines);
      view.log = log.slice(Math.min(log.length, Math.max(0, first - held.first)));
      view.first = Math.max(held.first, first);
    }
  } else return views;
  const next = views.slice();
  next[lane] = view;
  return next;
}

const kept = [recording.start];
let near = { place: -1, views: recording.start };

/// The views after the happening at this place; -1 is the start.
function viewsAt(place) {
  if (place < 0) return recording.start;
  let from = near;
  if (near.place > place || place - near.place > EACH) {
    const block = Math.floor((place + 1) / EACH);
    from = { place: block * EACH - 1, views: kept[block] };
  }
  let views = from.views;
  for (let at = from.place + 1; at <= place; at++) views = advance(views, happenings[at]);
  near = { place, views };
  return views;
}

// ---- one walk over everything -----------------------------------------------------------------

const letters = new Map(); // letter -> { sent, arrivals }
const early = new Map((recording.letters || []).map((sent) => [sent.letter, sent])); // sent before all this
const edges = []; // { from, to, sent, arrived, fate, copy }
const marks = new Array(happenings.length); // what a lane shows at a happening
const segments = nodes.map(() => []); // of each lane: { at, role, term, up, paused }
const bands = []; // faults that last: { at, end, node, name, text, links, track }
const linked = new Map(); // happening -> edges that begin or end there
let violation = -1;

/// What changed in a node by a step, as one shape and a few words.
function markOf(before, after, happening) {
  const had = before.state;
  const has = after.state;
  const words = [];
  let shape = "dot";
  const log = happening.log;
  if (log && after.log.length > 0 && log.lines.length > 0) shape = "square";
  if (log && log.from < before.first + before.log.length) {
    shape = "cut";
    words.push(`removes from ${log.from}`);
  }
  if (has) {
    const term = had ? had.term : 0;
    if (had && has.commit > had.commit) {
      shape = "check";
      words.push(`commit ${has.commit}`);
    }
    if (has.vote !== null && (!had || had.vote !== has.vote || term !== has.term) && has.vote !== happening.node) {
      words.push(`votes ${name(has.vote)}`);
    }
    if (has.role !== (had ? had.role : "follower")) {
      if (has.role === "leader") shape = "star";
      else if (has.role === "candidate") shape = "up";
      else if (has.role === "pre-candidate") shape = "hollow";
      words.unshift(`${has.role} T${has.term}`);
    } else if (had && has.term !== term) words.unshift(`T${has.term}`);
    if (has.fault) words.push("stops");
    if (words.length === 0 && had && has.last > had.last) words.push(`last ${has.last}`);
  }
  return { shape, text: words.join(", ") };
}

function walk() {
  let views = recording.start;
  const open = new Map(); // fault -> band
  const paused = nodes.map(() => new Set());
  const segment = (lane, at) => {
    const view = views[lane];
    const next = {
      at, up: view.up, paused: paused[lane].size > 0,
      role: view.state ? view.state.role : "", term: view.state ? view.state.term : 0,
    };
    const last = segments[lane][segments[lane].length - 1];
    const same = last && ["up", "paused", "role", "term"].every((field) => last[field] === next[field]);
    if (!same) segments[lane].push(next);
  };
  const lasts = new Set(happenings.filter((one) => one.what === "over").map((one) => one.fault));
  const strike = (struck, at) => {
    if (!LASTING.has(struck.name) && !lasts.has(struck.fault)) return;
    end(struck.fault, at);
    const band = { at, end: happenings.length, node: struck.node, name: struck.name, text: struck.text, links: struck.links, fault: struck.fault };
    bands.push(band);
    open.set(struck.fault, band);
    const lane = laneOf.get(struck.node);
    if (lane !== undefined) paused[lane].add(struck.fault);
  };
  const end = (fault, at) => {
    const band = open.get(fault);
    if (!band) return;
    band.end = at;
    open.delete(fault);
    const lane = laneOf.get(band.node);
    if (lane !== undefined) paused[lane].delete(fault);
  };
  for (const struck of recording.faults) strike(struck, -1);
  nodes.forEach((_, lane) => segment(lane, -1));
  happenings.forEach((happening, at) => {
    if (at > 0 && at % EACH === 0) kept[at / EACH] = views;
    const before = views;
    views = advance(views, happening);
    const lane = laneOf.get(happening.node);
    switch (happening.what) {
      case "stepped": marks[at] = markOf(before[lane], views[lane], happening); break;
      case "sent": letters.set(happening.letter, { sent: at, arrivals: [] }); break;
      case "arrived": {
        const letter = letters.get(happening.letter);
        if (letter) letter.arrivals.push(at);
        else addEdge({ from: happening.from, to: happening.node, sent: -1, arrived: at, fate: "travels", copy: false, early: early.get(happening.letter) });
        break;
      }
      case "struck": strike(happening, at); break;
      case "over": end(happening.fault, at); break;
      case "healed": for (const fault of [...open.keys()]) end(fault, at); break;
      case "violated": violation = at; break;
    }
    if (lane !== undefined) segment(lane, at);
    else if (["over", "healed", "struck"].includes(happening.what)) nodes.forEach((_, each) => segment(each, at));
  });
  kept[Math.floor(happenings.length / EACH)] ??= views;
  for (const { sent, arrivals } of letters.values()) edgesOf(sent, arrivals);
  lay(bands);
}

function edgesOf(sent, arrivals) {
  const { node, to, fate, copy } = happenings[sent];
  const edge = (fields) => addEdge({ from: node, to, sent, arrived: null, fate, copy: false, ...fields });
  const left = arrivals.slice();
  const comes = (fate) => fate === "travels" || fate === "held";
  if (copy !== null && comes(copy)) {
    // Which of two arrivals is the copy nobody can tell: the later one is drawn as it.
    const arrived = comes(fate) ? (left.length > 1 ? left.pop() : null) : left.pop() ?? null;
    edge({ fate: copy, copy: true, arrived });
  }
  edge({ arrived: comes(fate) ? left.shift() ?? null : null });
}

function addEdge(edge) {
  edges.push(edge);
  for (const end of [edge.sent, edge.arrived]) {
    if (end === null || end < 0) continue;
    if (!linked.has(end)) linked.set(end, []);
    linked.get(end).push(edge);
  }
}

/// Gives bands that overlap places beside each other.
function lay(all) {
  const ends = [];
  for (const band of all) {
    let track = ends.findIndex((end) => end <= band.at);
    if (track < 0) track = ends.length;
    ends[track] = band.end;
    band.track = track;
  }
}

// ---- in words ---------------------------------------------------------------------------------

const FATES = {
  travels: "on its way", lost: "lost on the way", cut: "lost: the link is cut", held: "held back until the cut is over",
};

/// One line for a happening.
function line(happening) {
  switch (happening.what) {
    case "started": return "starts";
    case "stopped": return happening.why;
    case "struck": return `fault ${happening.fault}: ${happening.text}`;
    case "over": return `fault ${happening.fault} is over`;
    case "healed": return "all faults are over";
    case "sent": return `to ${name(happening.to)}: ${letterText(happening)}${fateText(happening)}`;
    case "arrived": {
      const sent = sentOf(happening.letter);
      const text = sent ? letterText(sent) : "a letter sent before this page begins";
      return `from ${name(happening.from)}: ${text}${happening.taken ? "" : " (nobody is there)"}`;
    }
    case "stepped": return stepText(happening);
    case "asked": return `client ${happening.client} wants ${happening.text}`;
    case "turned": return `client ${happening.client} asks`;
    case "answered": return `client ${happening.client} is answered: ${happening.text || "done"}`;
    case "gave_up": return `client ${happening.client} gives up${happening.doubtful ? ", in doubt" : ""}`;
    case "violated": return `${happening.property} is violated: ${happening.text}`;
    default: return happening.text || happening.what;
  }
}

/// A letter as it was sent, also before this page begins.
function sentOf(number) {
  const letter = letters.get(number);
  return letter ? happenings[letter.sent] : early.get(number);
}

function letterText(sent) {
  const term = sent.term === null ? "" : ` T${sent.term}`;
  return `${sent.kind}${term} ${sent.text}`.trim();
}

function fateText(sent) {
  const fate = sent.fate === "travels" ? "" : ` — ${FATES[sent.fate]}`;
  return fate + (sent.copy === null ? "" : ` — doubled, the copy ${FATES[sent.copy]}`);
}

function stepText(step) {
  if (step.events.length > 0) return step.events.map((said) => said.text).join("; ");
  if (step.log) return step.log.lines.length > 0 ? `writes ${plural(step.log.lines.length, "entry").replace("entrys", "entries")} from ${step.log.from}` : `removes from ${step.log.from}`;
  if (step.state) return `durable ${step.state.durable}, commit ${step.state.commit}, applied ${step.state.applied}`;
  return "goes on";
}

const hays = new Array(happenings.length);

/// What a search looks through: lower case, made when it is first wanted.
function hay(at) {
  if (hays[at] === undefined) {
    const happening = happenings[at];
    const parts = [line(happening)];
    if (happening.node !== null) parts.push(name(happening.node));
    if (happening.what === "stepped") {
      parts.push(...happening.events.map((said) => said.rule));
      if (happening.state) parts.push("t" + happening.state.term, happening.state.role);
      if (happening.log) parts.push(...happening.log.lines.map((one) => one.text));
    }
    if (happening.what === "sent") {
      parts.push(happening.fate, happening.copy === null ? "" : "doubled", ...Object.values(happening.fields));
    }
    hays[at] = " " + parts.join(" ").toLowerCase() + " ";
  }
  return hays[at];
}

/// The happenings that fit all words of a question.
function search(question) {
  const words = question.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return [];
  const tests = words.map((word) => {
    // n1 must not find n10, nor T3 find T31.
    if (!/^[nt]\d+$/.test(word)) return (text) => text.includes(word);
    const whole = new RegExp(`[^a-z0-9]${word}[^a-z0-9]`);
    return (text) => whole.test(text);
  });
  const found = [];
  for (let at = 0; at < happenings.length; at++) {
    const text = hay(at);
    if (tests.every((test) => test(text))) found.push(at);
  }
  return found;
}

walk();
