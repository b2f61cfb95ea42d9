// What is selected and everything that selects: buttons, keys, the mouse, search, playing.

let selected = 0;
let found = [];
let matches = new Set();
let drawing = false;
let playing = null;
let addressing = 0; // the address follows when the hand rests: browsers count changes of it

/// Draws once for any number of changes before the next frame.
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw(selected, matches);
    drawOverview(selected, matches);
  });
}

/// Selects a happening, tells of it, and brings it into sight.
function select(at, quietly) {
  if (happenings.length === 0) return;
  selected = Math.max(0, Math.min(happenings.length - 1, at));
  byId("scrub").value = String(selected);
  byId("moment").textContent = `${seconds(happenings[selected].at)} s · ${selected + 1} / ${happenings.length}`;
  if (!quietly) byId("live").textContent = `${happenings[selected].node === null ? "" : name(happenings[selected].node)} ${line(happenings[selected])}`;
  whatHappened(selected);
  statesAfter(selected);
  logsAfter(selected);
  around(selected);
  keepInSight();
  clearTimeout(addressing);
  addressing = setTimeout(() => history.replaceState(null, "", `#at=${happenings[selected].number}`), 400);
  redraw();
}

function keepInSight() {
  const y = ys[selected];
  const top = diagram.scrollTop;
  const margin = Math.min(110, size.height / 4);
  if (y < top + HEAD + margin) diagram.scrollTop = Math.max(0, y - HEAD - margin);
  else if (y > top + size.height - margin) diagram.scrollTop = y - size.height + margin;
}

/// One step on (1) or back (-1), over what is drawn; of the same node only, if so wanted.
function step(by, sameNode) {
  const node = happenings[selected].node;
  let place = rank[selected];
  // What is selected may be hidden: one back is then the shown one before it.
  if (by < 0 && shown[place] !== selected) place++;
  for (place += by; place >= 0 && place < shown.length; place += by) {
    if (!sameNode || happenings[shown[place]].node === node) {
      select(shown[place]);
      return true;
    }
  }
  return false;
}

function play(on) {
  if (playing !== null) clearInterval(playing);
  playing = null;
  if (on) {
    playing = setInterval(() => {
      if (!step(1, false)) play(false);
    }, Number(byId("speed").value));
  }
  byId("play").textContent = on ? "⏸ pause" : "▶ play";
  byId("play").setAttribute("aria-pressed", String(on));
}

function ask(question) {
  found = search(question);
  matches = new Set(found);
  byId("found").textContent = question.trim() === "" ? "" : plural(found.length, "match").replace("matchs", "matches");
  byId("found-back").disabled = byId("found-forward").disabled = found.length === 0;
  redraw();
}

/// To the next match after what is selected, or the one before it; round at the ends.
function goToMatch(by) {
  if (found.length === 0) return;
  const next = by > 0 ? found.find((at) => at > selected) ?? found[0] : found.findLast((at) => at < selected) ?? found[found.length - 1];
  byId("found").textContent = `${found.indexOf(next) + 1} of ${found.length}`;
  select(next);
}

function setLook(change) {
  Object.assign(look, change);
  byId("show-heartbeats").checked = look.heartbeats;
  byId("show-clients").checked = look.clients;
  byId("true-time").checked = look.trueTime;
  layout();
}

function layout() {
  measure();
  arrange();
  if (happenings.length > 0) {
    keepInSight();
    around(selected);
  }
  redraw();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  readColours();
  redraw();
}

const otherTheme = () => (document.documentElement.dataset.theme === "dark" ? "light" : "dark");

function showHelp() {
  const help = byId("help");
  if (!help.open) help.showModal();
  drawLegend();
}

// ---- keys -------------------------------------------------------------------------------------

const KEYS = {
  ArrowRight: (shift) => step(1, shift), ArrowDown: (shift) => step(1, shift), j: () => step(1, false),
  ArrowLeft: (shift) => step(-1, shift), ArrowUp: (shift) => step(-1, shift), k: () => step(-1, false),
  Home: () => select(0), End: () => select(happenings.length - 1),
  " ": () => play(playing === null), v: () => violation >= 0 && select(violation),
  "/": () => byId("search").focus(), n: () => goToMatch(1), N: () => goToMatch(-1),
  "+": () => setLook({ height: Math.min(48, look.height + 4) }), "=": () => setLook({ height: Math.min(48, look.height + 4) }),
  "-": () => setLook({ height: Math.max(6, look.height - 4) }),
  t: () => setLook({ trueTime: !look.trueTime }), h: () => setLook({ heartbeats: !look.heartbeats }), c: () => setLook({ clients: !look.clients }),
  d: () => setTheme(otherTheme()), "?": showHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const target = event.target;
  if (target === byId("search")) {
    if (event.key === "Enter") goToMatch(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") diagram.focus();
    return;
  }
  if (target.tagName === "SELECT") return;
  // A button takes space and enter, a range its own arrows.
  if (event.key === " " && ["BUTTON", "INPUT", "SUMMARY"].includes(target.tagName)) return;
  if (target.type === "range" && /^(Arrow|Home|End|Page)/.test(event.key)) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action(event.shiftKey);
});

// ---- the mouse --------------------------------------------------------------------------------

const pointOf = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

canvas.addEventListener("click", (event) => {
  const at = hit(...pointOf(event));
  if (at !== null) select(at);
});

canvas.addEventListener("mousemove", (event) => {
  const at = hit(...pointOf(event));
  const tip = byId("tip");
  tip.hidden = at === null;
  canvas.style.cursor = at === null ? "default" : "pointer";
  if (at === null) return;
  const happening = happenings[at];
  tip.textContent = `${seconds(happening.at)} ${happening.node === null ? "" : name(happening.node)} ${line(happening)}`;
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
});

canvas.addEventListener("mouseleave", () => { byId("tip").hidden = true; });

// ---- the legend -------------------------------------------------------------------------------

/// Draws the help's samples with the same strokes as the picture.
function drawLegend() {
  const legend = byId("legend");
  const brush = legend.getContext("2d");
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [690, 292];
  legend.width = width * ratio;
  legend.height = height * ratio;
  legend.style.width = width + "px";
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  withPen(brush, () => {
    pen.font = "12.5px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const say = (text, x, y) => { pen.fillStyle = colours.ink; pen.fillText(text, x, y); };
    [["leader", "leads"], ["candidate", "asks for votes"], ["pre-candidate", "asks for pre-votes"], ["follower", "follows"], ["", "starts, or waits"]].forEach(([role, text], row) => {
      drawPart({ up: true, paused: false, role }, 14, 8 + row * 28, 30 + row * 28);
      say(text, 32, 19 + row * 28);
    });
    drawPart({ up: true, paused: true, role: "follower" }, 14, 150, 172);
    say("paused or slow", 32, 161);
    hatch(4, 180, 20, 22, colours.cut);
    say("links are cut", 32, 191);
    [["star", "becomes leader"], ["up", "campaigns"], ["hollow", "asks for pre-votes"], ["square", "appends"], ["cut", "removes entries"], ["check", "commits"], ["dot", "another step"], ["start", "starts"]].forEach(([shape, text], row) => {
      drawShape(shape, 190, 19 + row * 28, false);
      say(text, 206, 19 + row * 28);
    });
    pen.strokeStyle = colours.trouble;
    cross(190, 19 + 8 * 28, 7);
    say("crashes", 206, 19 + 8 * 28);
    const kinds = [["AppendEntries", "AppendEntries, and its reply"], ["RequestVote", "RequestVote, and its reply"], ["PreVote", "PreVote, and its reply"], ["Heartbeat", "Heartbeat, and its reply"], ["Forward", "forwarded commands"]];
    kinds.forEach(([kind, text], row) => {
      sample(kind, 350, 19 + row * 28, "arrow");
      sample(kind + "Reply", 400, 19 + row * 28, "arrow");
      say(text, 456, 19 + row * 28);
    });
    [["cross", "lost"], ["bar", "taken by a cut"], ["diamond", "held back; from there on dash-dotted"], ["nobody", "arrives where nobody is"]].forEach(([end, text], row) => {
      sample("", 400, 19 + (5 + row) * 28, end);
      say(text, 456, 19 + (5 + row) * 28);
    });
    sample("AppendEntries", 350, 19 + 9 * 28, "arrow");
    pen.strokeStyle = colours.append;
    ring(378, 19 + 9 * 28, 4);
    say("a copy that the network made", 456, 19 + 9 * 28);
  });
  function sample(kind, x, y, end) {
    const [colour, wide, dash] = STROKES[kind] || ["trouble", 1.4, []];
    pen.strokeStyle = pen.fillStyle = colours[colour];
    pen.lineWidth = wide;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x, y - 5);
    pen.lineTo(x + 38, y + 5);
    pen.stroke();
    pen.setLineDash([]);
    drawEnd(end, x, y - 5, x + 38, y + 5, kind.endsWith("Reply"));
  }
}

// ---- beginning --------------------------------------------------------------------------------

function begin() {
  crowd = new Set(happenings.filter((one) => CLIENTS.has(one.what)).map((one) => one.client)).size;
  const parts = [plural(nodes.length, "node"), recording.settings.length > 0 ? plural(recording.clients, "client") : "moved by hand", plural(happenings.length, "happening")];
  if (recording.skipped > 0) parts.push(`the last of ${recording.skipped + happenings.length}`);
  if (recording.violation) parts.push(`${recording.violation.property} violated at ${seconds(recording.violation.at)} s`);
  byId("subtitle").textContent = parts.join(" · ");
  byId("replay-line").textContent = recording.replay;
  byId("scrub").max = String(Math.max(0, happenings.length - 1));
  byId("violation").hidden = violation < 0;
  const bind = (id, action) => byId(id).addEventListener("click", action);
  bind("first", () => select(0));
  bind("last", () => select(happenings.length - 1));
  bind("back", (event) => step(-1, event.shiftKey));
  bind("forward", (event) => step(1, event.shiftKey));
  bind("play", () => play(playing === null));
  bind("violation", () => select(violation));
  bind("found-back", () => goToMatch(-1));
  bind("found-forward", () => goToMatch(1));
  bind("smaller", () => KEYS["-"]());
  bind("larger", () => KEYS["+"]());
  bind("theme", () => setTheme(otherTheme()));
  bind("help-button", showHelp);
  bind("copy", () => copyReplay());
  const slide = (event) => {
    const box = overview.getBoundingClientRect();
    const part = (event.clientX - box.left - 8) / Math.max(1, box.width - 16);
    select(Math.round(part * (happenings.length - 1)), true);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); slide(event); });
  overview.addEventListener("pointermove", (event) => { if (event.buttons > 0) slide(event); });
  byId("speed").addEventListener("change", () => play(playing !== null));
  byId("scrub").addEventListener("input", () => select(Number(byId("scrub").value), true));
  byId("search").addEventListener("input", () => ask(byId("search").value));
  byId("show-heartbeats").addEventListener("change", (event) => setLook({ heartbeats: event.target.checked }));
  byId("show-clients").addEventListener("change", (event) => setLook({ clients: event.target.checked }));
  byId("true-time").addEventListener("change", (event) => setLook({ trueTime: event.target.checked }));
  diagram.addEventListener("scroll", redraw, { passive: true });
  window.addEventListener("resize", layout);
  const wanted = new URLSearchParams(location.hash.slice(1));
  const dark = window.matchMedia && matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = wanted.get("theme") || (dark ? "dark" : "light");
  readColours();
  tellStory();
  ask("");
  measure();
  arrange();
  setLook({ heartbeats: wanted.has("heartbeats") || look.heartbeats, trueTime: wanted.has("time") });
  start(wanted);
}

/// Where to begin: where the address says, else at the violation, else at the first happening.
function start(wanted) {
  if (happenings.length === 0) {
    fill("what", make("p", { class: "head" }, "Nothing happened, or nothing was kept."));
    redraw();
    return;
  }
  const number = Number(wanted.get("at"));
  const at = wanted.has("at") ? happenings.findIndex((one) => one.number >= number) : violation;
  const place = at < 0 ? 0 : at;
  if (happenings[place].kind && HEARTBEATS.has(happenings[place].kind)) setLook({ heartbeats: true });
  select(place, true);
  if (wanted.has("q")) {
    byId("search").value = wanted.get("q");
    ask(wanted.get("q"));
    goToMatch(1);
  }
  if (wanted.has("help")) showHelp();
  if (wanted.has("selftest")) selftest();
}

function copyReplay() {
  const say = (text) => { byId("copy").textContent = text; setTimeout(() => { byId("copy").textContent = "copy"; }, 1500); };
  if (!navigator.clipboard) {
    // Pages from files may not write to the clipboard: then the line is at least selected.
    getSelection().selectAllChildren(byId("replay-line"));
    say("selected");
    return;
  }
  navigator.clipboard.writeText(recording.replay).then(() => say("copied"), () => say("failed"));
}

// ---- the page's own test ----------------------------------------------------------------------

/// Walks over everything, checks what the page says of it, and writes a verdict into the page.
function selftest() {
  const problems = [];
  const expect = (fits, text) => { if (!fits && problems.length < 10) problems.push(text); };
  const spans = [];
  const time = (act) => {
    const from = performance.now();
    act();
    draw(selected, matches);
    drawOverview(selected, matches);
    document.body.offsetHeight; // lays out what was changed, as the browser would
    spans.push(performance.now() - from);
  };
  const all = []; // the views after each happening, found without a short cut
  happenings.forEach((happening, at) => {
    all.push(advance(at === 0 ? recording.start : all[at - 1], happening));
    expect(line(happening) !== undefined && !/undefined|NaN|\[object/.test(line(happening)), `no words for ${at}: ${line(happening)}`);
  });
  const every = Math.max(1, Math.floor(happenings.length / 400));
  const walkTimes = spans.length;
  for (let at = 0; at < happenings.length; at += every) {
    time(() => select(at, true));
    const text = byId("panel").textContent;
    expect(!/undefined|NaN|\[object/.test(text), `the panel has no words at ${at}`);
    const y = ys[at] - diagram.scrollTop;
    expect(y >= 0 && y <= size.height, `${at} is not in sight`);
  }
  const steps = spans.splice(walkTimes);
  // A scrub goes anywhere, not to the next one.
  for (let jump = 0; jump < 100; jump++) time(() => select((jump * 7919) % happenings.length, true));
  const scrubs = spans.splice(0);
  for (let jump = 0; jump < 60; jump++) {
    const at = (jump * 7919) % happenings.length;
    expect(JSON.stringify(viewsAt(at)) === JSON.stringify(all[at]), `two ways to the views after ${at} differ`);
  }
  checkKeys(expect);
  checkPointing(expect);
  setLook({ heartbeats: true });
  setLook({ trueTime: true });
  time(() => select(happenings.length - 1, true));
  setLook({ trueTime: false });
  ask("n1");
  expect(found.every((at) => hay(at).includes("n1")), "a match does not match");
  const begun = performance.now();
  ask("no-such-word");
  const searched = performance.now() - begun;
  expect(found.length === 0, "found what is not there");
  ask("");
  if (violation >= 0) select(violation, true);
  const of = (all, part) => all.sort((one, other) => one - other)[Math.floor((all.length - 1) * part)].toFixed(2);
  const verdict = problems.length === 0 ? "passed" : "failed: " + problems.join("; ");
  const text = `selftest ${verdict}: ${happenings.length} happenings, ${edges.length} letters, step median ${of(steps, 0.5)} ms p99 ${of(steps, 0.99)} ms, scrub median ${of(scrubs, 0.5)} ms p99 ${of(scrubs, 0.99)} ms, search ${searched.toFixed(2)} ms`;
  document.body.append(make("pre", { id: "selftest" }, text));
}

/// Presses keys as a hand would.
function checkKeys(expect) {
  const press = (key, shiftKey) => diagram.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
  const to = (key, at, shiftKey) => {
    press(key, shiftKey);
    expect(selected === at, `${key} goes to ${selected}, not to ${at}`);
  };
  to("Home", 0);
  to("ArrowRight", shown.find((at) => at > 0));
  to("ArrowLeft", shown[0]);
  to("End", happenings.length - 1);
  if (violation >= 0) to("v", violation);
  press("Home");
  const node = happenings[0].node;
  to("ArrowDown", shown.find((at) => at > 0 && happenings[at].node === node) ?? 0, true);
  press("?");
  expect(byId("help").open, "? opens no help");
  byId("help").close();
  press("/");
  expect(document.activeElement === byId("search"), "/ does not search");
  diagram.focus();
}

/// Points at marks: what is found must stand where it was pointed at, or so close by that it comes
/// before the end of a letter.
function checkPointing(expect) {
  const every = Math.max(1, Math.floor(shown.length / 50));
  for (let place = 0; place < shown.length; place += every) {
    select(shown[place], true);
    const lane = laneOf.get(happenings[selected].node);
    if (lane === undefined || happenings[selected].what === "arrived") continue;
    const at = hit(lanes.xs[lane], ys[selected] - diagram.scrollTop);
    expect(at !== null && Math.abs(ys[at] - ys[selected]) <= 2, `pointing at ${selected} finds ${at}`);
  }
}

begin();
