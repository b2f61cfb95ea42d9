// The space-time diagram. Only what is in sight is drawn, onto one canvas that stays in place while
// the section around it scrolls.

const diagram = document.getElementById("diagram");
const canvas = document.getElementById("canvas");
const room = document.getElementById("room");
let pen = canvas.getContext("2d"); // the legend lends another one

const look = { heartbeats: happenings.length <= 400, clients: true, trueTime: false, height: 20 };
const HEAD = 34; // pixels of the lanes' names
const FOOT = 60;
const BUCKET = 32;
const ALONE = new Set(["violated", "stopped", "started", "note", "struck"]); // have a row of their own

let colours = {};
let size = { width: 0, height: 0 };
let lanes = { time: 0, faults: 0, xs: [], client: 0 };
let shown = []; // places of what is drawn, in order
let rank = []; // of each place: how many shown ones come before or at it, less one
let ys = []; // of each place
let hushed = []; // of each place: whether another mark stands where its own would
let buckets = []; // of each BUCKET of ranks: the edges that cross it
let crowd = 0; // how many clients do something here

const isShown = (happening) => {
  if (!look.clients && CLIENTS.has(happening.what)) return false;
  if (look.heartbeats) return true;
  if (happening.what === "sent") return !HEARTBEATS.has(happening.kind);
  if (happening.what === "arrived") {
    const sent = sentOf(happening.letter);
    return !sent || !HEARTBEATS.has(sent.kind);
  }
  return true;
};

/// What one node did in one go: it stands in one row.
function groupsOf(all) {
  const groups = [];
  let group = [];
  for (const at of all) {
    const happening = happenings[at];
    const before = group.length > 0 ? happenings[group[0]] : null;
    const joins = before && before.node === happening.node && before.at === happening.at && happening.node !== null && !ALONE.has(happening.what) && !ALONE.has(before.what);
    if (!joins) groups.push((group = []));
    group.push(at);
  }
  return groups;
}

/// Gives each happening its height, and lets the strongest mark of a row speak for it.
function place(groups) {
  const first = happenings.length > 0 ? happenings[0].at : 0;
  const rows = new Float64Array(happenings.length);
  hushed = new Uint8Array(happenings.length);
  let row = -1;
  for (const group of groups) {
    // A step that says nothing needs little room, unless something leaves from it.
    row += group.every((at) => isQuiet(happenings[at])) ? 0.4 : 1;
    let loud = group[0];
    for (const at of group) {
      rows[at] = row;
      if (strength(at) > strength(loud)) loud = at;
    }
    for (const at of group) hushed[at] = at === loud ? 0 : 1;
  }
  let last = 0;
  happenings.forEach((happening, at) => {
    if (shown[rank[at]] === at) last = rows[at];
    const y = look.trueTime ? ((happening.at - first) / 1e6) * (look.height / 4) : Math.max(last, 0) * look.height;
    ys[at] = HEAD + look.height + y;
  });
}

const SHAPES = ["dot", "square", "check", "cut", "hollow", "up", "star"];

/// Which of several marks in one place is drawn: the greatest.
function strength(at) {
  const { what } = happenings[at];
  if (what === "stepped") return 1 + SHAPES.indexOf(marks[at].shape);
  return what === "sent" ? 0 : what === "started" ? 0 : -1;
}

/// Whether a happening is a step of its own, of which there is nothing to say.
function isQuiet(happening) {
  return happening.what === "stepped" && happening.events.length === 0 && happening.log === null;
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "shade", "edge", "ink", "faint", "pick", "pick-edge", "append", "append-reply", "vote", "pre-vote", "heartbeat", "forward", "other", "trouble", "focus", "lane", "leader", "cut", "pause"];
  colours = Object.fromEntries(names.map((one) => [one, style.getPropertyValue("--" + one).trim()]));
}

/// Draws with another pen for a while.
function withPen(other, act) {
  const main = pen;
  pen = other;
  try { act(); } finally { pen = main; }
}

/// Decides what is drawn and where it stands along time.
function arrange() {
  shown = [];
  rank = new Array(happenings.length);
  ys = new Float64Array(happenings.length);
  happenings.forEach((happening, at) => {
    if (isShown(happening)) shown.push(at);
    rank[at] = shown.length - 1;
  });
  place(groupsOf(shown));
  buckets = Array.from({ length: Math.ceil(shown.length / BUCKET) + 1 }, () => []);
  for (const edge of edges) {
    const ends = [edge.sent, edge.arrived].filter((end) => end !== null && end >= 0);
    if (!ends.every((end) => shown[rank[end]] === end)) continue;
    const from = Math.floor(Math.max(0, rank[ends[0]]) / BUCKET);
    const to = Math.floor(Math.max(0, rank[ends[ends.length - 1]]) / BUCKET);
    for (let bucket = from; bucket <= to; bucket++) buckets[bucket].push(edge);
  }
  const bottom = happenings.length > 0 ? ys[happenings.length - 1] : HEAD;
  room.style.height = Math.max(1, bottom + FOOT - size.height) + "px";
}

function measure() {
  const ratio = window.devicePixelRatio || 1;
  size = { width: diagram.clientWidth, height: diagram.clientHeight };
  canvas.width = Math.round(size.width * ratio);
  canvas.height = Math.round(size.height * ratio);
  canvas.style.width = size.width + "px";
  canvas.style.height = size.height + "px";
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const narrow = size.width < 520;
  const tracks = Math.min(4, bands.reduce((most, band) => Math.max(most, band.track + 1), 0));
  const time = narrow ? 52 : 78;
  const left = time + tracks * 9 + 8;
  const right = look.clients && crowd > 0 ? (narrow ? 34 : 92) : 26;
  const span = Math.max(60, size.width - left - right);
  const each = span / nodes.length;
  lanes = {
    time, narrow, each, xs: nodes.map((_, lane) => left + each * (lane + 0.38)),
    client: size.width - right + 12, right: size.width - right,
  };
}

/// The first of the shown places whose y is not above this.
function firstFrom(y) {
  let low = 0;
  let high = shown.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ys[shown[middle]] < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

const yOf = (place, top) => (place < 0 ? -1e6 : place >= happenings.length ? 1e6 : ys[place] - top);

// ---- drawing ----------------------------------------------------------------------------------

function draw(selected, matches) {
  const top = diagram.scrollTop;
  pen.clearRect(0, 0, size.width, size.height);
  pen.font = "11.5px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const begin = Math.max(0, firstFrom(top) - 2);
  const end = Math.min(shown.length, firstFrom(top + size.height + look.height) + 1);
  drawBands(top);
  if (happenings.length > 0) drawPick(selected, top);
  drawLanes(top);
  drawEdges(begin, end, top, selected);
  drawTimes(begin, end, top, matches);
  for (let place = begin; place < end; place++) drawMark(shown[place], top, selected);
  drawHead(selected);
}

function drawBands(top) {
  for (const band of bands) {
    const from = Math.max(yOf(band.at, top), HEAD);
    const to = Math.min(yOf(band.end, top), size.height);
    if (to < HEAD || from > size.height) continue;
    const x = lanes.time + Math.min(band.track, 3) * 9;
    const cuts = band.links.length > 0;
    if (cuts) {
      const touched = band.links.flat().map((node) => laneOf.get(node)).filter((lane) => lane !== undefined);
      const left = lanes.xs[Math.min(...touched)] - 10;
      const right = lanes.xs[Math.max(...touched)] + 10;
      hatch(left, from, right - left, to - from, colours.cut);
    }
    pen.fillStyle = cuts ? colours.cut : colours.pause;
    pen.fillRect(x, from, 5, to - from);
    pen.fillStyle = colours.ink;
    if (!cuts) hatch(x, from, 5, to - from, colours.paper);
  }
}

/// Slanted lines over a box, faint enough to read on.
function hatch(x, y, width, height, colour) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.globalAlpha = 0.09;
  pen.fillStyle = colour;
  pen.fillRect(x, y, width, height);
  pen.globalAlpha = 0.3;
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  // The lines stand still in the picture while it scrolls.
  const shift = (diagram.scrollTop + y + height) % 14;
  for (let at = -height - 14 - shift; at < width + 14; at += 14) {
    pen.moveTo(x + at, y + height);
    pen.lineTo(x + at + height, y);
  }
  pen.stroke();
  pen.restore();
}

function drawPick(selected, top) {
  const y = ys[selected] - top;
  const tall = Math.max(12, Math.min(look.height, 22));
  pen.fillStyle = colours.pick;
  pen.fillRect(0, y - tall / 2, size.width, tall);
  pen.strokeStyle = colours["pick-edge"];
  pen.lineWidth = 1;
  pen.strokeRect(0.5, y - tall / 2 + 0.5, size.width - 1, tall - 1);
}

function drawLanes(top) {
  segments.forEach((parts, lane) => {
    const x = lanes.xs[lane];
    for (let at = 0; at < parts.length; at++) {
      const part = parts[at];
      const from = Math.max(part.at < 0 ? HEAD : yOf(part.at, top), HEAD);
      const to = Math.min(at + 1 < parts.length ? yOf(parts[at + 1].at, top) : size.height, size.height);
      if (to <= HEAD || from >= size.height || to <= from) continue;
      drawPart(part, x, from, to);
    }
  });
}

function drawPart(part, x, from, to) {
  if (!part.up) return; // a gap says that there is no process
  const stroke = (shift, width, dash, colour) => {
    pen.beginPath();
    pen.setLineDash(dash);
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.moveTo(x + shift, from);
    pen.lineTo(x + shift, to);
    pen.stroke();
    pen.setLineDash([]);
  };
  if (part.paused) {
    pen.fillStyle = colours.shade;
    pen.fillRect(x - 8, from, 16, to - from);
    hatch(x - 8, from, 16, to - from, colours.ink);
  }
  if (part.role === "leader") stroke(0, 7, [], colours.leader);
  else if (part.role === "candidate") {
    stroke(-2.5, 1.8, [], colours.leader);
    stroke(2.5, 1.8, [], colours.leader);
  } else if (part.role === "pre-candidate") stroke(0, 2.5, [3, 4], colours.leader);
  else if (part.role === "") stroke(0, 1.5, [1, 5], colours.lane);
  else stroke(0, 1.5, [], colours.lane);
}

const STROKES = {
  AppendEntries: ["append", 1.6, []], AppendEntriesReply: ["append-reply", 1.4, [7, 3]],
  RequestVote: ["vote", 2.4, []], RequestVoteReply: ["vote", 1.8, [7, 3]],
  PreVote: ["pre-vote", 1.8, []], PreVoteReply: ["pre-vote", 1.4, [7, 3]],
  Heartbeat: ["heartbeat", 1, []], HeartbeatReply: ["heartbeat", 1, [2, 3]],
  Forward: ["forward", 1.4, []], ForwardReply: ["forward", 1.2, [7, 3]],
};

function drawEdges(begin, end, top, selected) {
  const seen = new Set();
  const last = Math.min(buckets.length - 1, Math.floor(Math.max(0, end - 1) / BUCKET));
  const chosen = linked.get(selected) || [];
  for (let bucket = Math.floor(begin / BUCKET); bucket <= last; bucket++) {
    for (const edge of buckets[bucket]) {
      if (seen.has(edge)) continue;
      seen.add(edge);
      if (!chosen.includes(edge)) drawEdge(edge, top, false);
    }
  }
  for (const edge of chosen) if (seen.has(edge)) drawEdge(edge, top, true);
}

/// Where an edge begins and ends on the canvas, and how its end looks.
function shapeOf(edge, top) {
  const [start, goal] = [lanes.xs[laneOf.get(edge.from)], lanes.xs[laneOf.get(edge.to)]];
  // From the lane's edge to the other's, so that a leader's broad lane hides no arrow.
  const x0 = start + Math.sign(goal - start) * 3;
  const x1 = goal - Math.sign(goal - start) * 5;
  if (edge.arrived !== null) {
    const y1 = ys[edge.arrived] - top;
    const y0 = edge.sent < 0 ? y1 - 30 : ys[edge.sent] - top;
    const cut = edge.sent < 0 ? 0.55 : 0;
    return { x0: x0 + (x1 - x0) * cut, y0: y0 + (y1 - y0) * cut, x1, y1, end: happenings[edge.arrived].taken ? "arrow" : "nobody" };
  }
  const part = { lost: 0.6, cut: 0.42, held: 0.28, travels: 0.3 }[edge.fate];
  const end = { lost: "cross", cut: "bar", held: "diamond", travels: "open" }[edge.fate];
  const y0 = ys[edge.sent] - top;
  const down = edge.copy ? 1.9 : 1.2;
  return { x0, y0, x1: x0 + (x1 - x0) * part, y1: y0 + look.height * down * part + 3, end };
}

function drawEdge(edge, top, chosen) {
  const sent = edge.sent < 0 ? edge.early || null : happenings[edge.sent];
  const [colour, width, dash] = (sent && STROKES[sent.kind]) || ["other", 1.2, [2, 2]];
  const { x0, y0, x1, y1, end } = shapeOf(edge, top);
  const ended = end !== "arrow" && end !== "nobody";
  pen.strokeStyle = pen.fillStyle = ended && end !== "open" ? colours.trouble : colours[colour];
  pen.lineWidth = chosen ? width + 2 : width;
  pen.setLineDash(edge.fate === "held" && edge.arrived !== null ? [10, 4, 2, 4] : dash);
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
  pen.setLineDash([]);
  drawEnd(end, x0, y0, x1, y1, sent && sent.kind.endsWith("Reply"));
  if (edge.fate === "held" && edge.arrived !== null) diamond(x0 + (x1 - x0) * 0.12, y0 + (y1 - y0) * 0.12, 4.5, true);
  if (edge.copy) ring(x0 + (x1 - x0) * 0.86, y0 + (y1 - y0) * 0.86, 4);
  if (chosen && sent) label(letterText(sent), (x0 + x1) / 2, (y0 + y1) / 2, true);
}

function drawEnd(end, x0, y0, x1, y1, hollow) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  if (end === "arrow" || end === "nobody") {
    const back = (turn) => [x1 - 9 * Math.cos(angle + turn), y1 - 9 * Math.sin(angle + turn)];
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(...back(0.36));
    pen.lineTo(...back(-0.36));
    pen.closePath();
    pen.lineWidth = 1.3;
    if (hollow) {
      pen.save();
      pen.fillStyle = colours.paper;
      pen.fill();
      pen.restore();
      pen.stroke();
    } else pen.fill();
    if (end === "nobody") cross(x1, y1, 6);
  } else if (end === "cross") cross(x1, y1, 5);
  else if (end === "diamond") diamond(x1, y1, 4.5, false);
  else if (end === "bar") {
    pen.lineWidth = 2.6;
    pen.beginPath();
    pen.moveTo(x1 - 7 * Math.sin(angle), y1 + 7 * Math.cos(angle));
    pen.lineTo(x1 + 7 * Math.sin(angle), y1 - 7 * Math.cos(angle));
    pen.stroke();
  } else ring(x1, y1, 2.5);
}

function cross(x, y, reach) {
  pen.lineWidth = 2.2;
  pen.beginPath();
  pen.moveTo(x - reach, y - reach);
  pen.lineTo(x + reach, y + reach);
  pen.moveTo(x + reach, y - reach);
  pen.lineTo(x - reach, y + reach);
  pen.stroke();
}

function diamond(x, y, reach, filled) {
  pen.lineWidth = 1.6;
  pen.beginPath();
  pen.moveTo(x, y - reach);
  pen.lineTo(x + reach, y);
  pen.lineTo(x, y + reach);
  pen.lineTo(x - reach, y);
  pen.closePath();
  if (filled) pen.fill();
  else pen.stroke();
}

function ring(x, y, reach) {
  pen.lineWidth = 1.6;
  pen.beginPath();
  pen.arc(x, y, reach, 0, 2 * Math.PI);
  pen.stroke();
}

/// Words with a ground of their own, so that lines do not run through them.
function label(text, x, y, centred) {
  const words = text.length > 64 ? text.slice(0, 63) + "…" : text;
  const width = pen.measureText(words).width;
  let left = centred ? x - width / 2 : x;
  left = Math.min(Math.max(left, 2), size.width - width - 4);
  pen.globalAlpha = 0.88;
  pen.fillStyle = colours.paper;
  pen.fillRect(left - 2, y - 7.5, width + 4, 15);
  pen.globalAlpha = 1;
  pen.fillStyle = colours.ink;
  pen.fillText(words, left, y);
}

function drawTimes(begin, end, top, matches) {
  let lastY = -100;
  for (let place = begin; place < end; place++) {
    const at = shown[place];
    const y = ys[at] - top;
    if (matches.has(at)) {
      pen.fillStyle = colours["pick-edge"];
      pen.beginPath();
      pen.moveTo(0, y - 5);
      pen.lineTo(7, y);
      pen.lineTo(0, y + 5);
      pen.fill();
    }
    if (y - lastY < 15) continue;
    lastY = y;
    pen.fillStyle = colours.faint;
    const time = happenings[at].at / 1e9;
    pen.fillText(lanes.narrow ? time.toFixed(2) : time.toFixed(5), 10, y);
  }
}

function drawMark(at, top, selected) {
  const happening = happenings[at];
  const y = ys[at] - top;
  if (y < HEAD - 4 || y > size.height + 10) return;
  const x = lanes.xs[laneOf.get(happening.node)];
  const wordy = look.height >= 14 && !look.trueTime;
  pen.fillStyle = pen.strokeStyle = colours.ink;
  switch (happening.what) {
    case "stepped": {
      const mark = marks[at];
      if (hushed[at]) break;
      drawShape(mark.shape, x, y, ys[at] === ys[selected]);
      if (wordy && mark.text && (lanes.each > 90 || at === selected)) label(mark.text, x + 12, y, false);
      break;
    }
    case "started": drawShape("start", x, y, false); if (wordy) label("starts", x + 12, y, false); break;
    case "stopped":
      pen.strokeStyle = colours.trouble;
      cross(x, y, 7);
      if (wordy) label(happening.why.startsWith("crashes") ? "crash" : "down", x + 12, y, false);
      break;
    case "sent": if (!hushed[at]) drawShape("dot", x, y, at === selected); break;
    case "struck": drawFault(happening, x, y); break;
    case "over": if (wordy) label(`fault ${happening.fault} over`, x === undefined ? lanes.time + 40 : x + 12, y, false); break;
    case "healed": drawLine(y, "all faults are over", colours.faint); break;
    case "note": if (wordy) label(happening.text, x === undefined ? lanes.time + 40 : x + 12, y, false); break;
    case "violated": drawLine(y, "✖ " + happening.property, colours.trouble); break;
    case "asked": drawClient(happening, y, happening.text, wordy); break;
    case "turned": drawCall(lanes.client, x, y, happening.client, wordy); break;
    case "answered": drawCall(x, lanes.client, y, happening.client, wordy); break;
    case "gave_up": drawClient(happening, y, "gives up", wordy); break;
  }
}

function drawFault(happening, x, y) {
  const colour = happening.links.length > 0 ? colours.cut : colours.trouble;
  const at = x === undefined ? lanes.time + 4 : x;
  pen.strokeStyle = colour;
  pen.lineWidth = 2.4;
  pen.beginPath();
  pen.moveTo(at + 3, y - 8);
  pen.lineTo(at - 3, y);
  pen.lineTo(at + 3, y);
  pen.lineTo(at - 3, y + 8);
  pen.stroke();
  label(faultText(happening), at + 12, y, false);
}

function faultText(struck) {
  if (struck.links.length === 0) return struck.name;
  const pairs = new Set(struck.links.map(([from, to]) => `${from}>${to}`));
  const seen = [];
  for (const [from, to] of struck.links) {
    const both = pairs.has(`${to}>${from}`);
    if (!both) seen.push(`${name(from)}→${name(to)}`);
    else if (from < to) seen.push(`${name(from)}–${name(to)}`);
  }
  return `${struck.name} ${seen.join(" ")}`;
}

function drawLine(y, text, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.setLineDash([8, 5]);
  pen.beginPath();
  pen.moveTo(lanes.time - 4, y);
  pen.lineTo(size.width, y);
  pen.stroke();
  pen.setLineDash([]);
  label(text, lanes.time + 6, y, false);
}

function drawClient(happening, y, text, wordy) {
  if (!look.clients) return;
  ring(lanes.client, y, 3);
  if (wordy) label(`c${happening.client} ${lanes.narrow ? "" : text}`, lanes.client + 7, y, false);
}

function drawCall(from, to, y, client, wordy) {
  if (!look.clients || from === undefined || to === undefined) return;
  pen.strokeStyle = pen.fillStyle = colours.faint;
  pen.lineWidth = 1;
  pen.setLineDash([1, 4]);
  pen.beginPath();
  pen.moveTo(from, y);
  pen.lineTo(to, y);
  pen.stroke();
  pen.setLineDash([]);
  drawEnd("arrow", from, y, to, y, false);
  if (wordy) label(`c${client}`, lanes.client + 7, y, false);
}

/// A node's mark: every kind of step has a shape of its own.
function drawShape(shape, x, y, chosen) {
  const reach = chosen ? 7 : 5;
  pen.fillStyle = pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.8;
  pen.beginPath();
  if (shape === "dot") pen.arc(x, y, chosen ? 4.5 : 2.6, 0, 2 * Math.PI);
  else if (shape === "square") pen.rect(x - reach + 1, y - reach + 1, 2 * reach - 2, 2 * reach - 2);
  else if (shape === "star") star(x, y, reach + 4);
  else if (shape === "check") pen.arc(x, y, reach + 2, 0, 2 * Math.PI);
  else if (shape === "cut") {
    pen.rect(x - reach, y - reach, 2 * reach, 2 * reach);
  } else {
    pen.moveTo(x, y - reach - 1);
    pen.lineTo(x + reach + 1, y + reach);
    pen.lineTo(x - reach - 1, y + reach);
    pen.closePath();
  }
  // A rim of the ground's colour, so that a mark is seen on a leader's broad lane too.
  pen.strokeStyle = colours.paper;
  pen.lineWidth = 4.5;
  pen.stroke();
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.8;
  const hollow = ["hollow", "start", "cut"].includes(shape);
  if (hollow) {
    pen.fillStyle = colours.paper;
    pen.fill();
    pen.stroke();
  } else pen.fill();
  if (shape === "check") {
    pen.strokeStyle = colours.paper;
    pen.beginPath();
    pen.moveTo(x - 3.5, y);
    pen.lineTo(x - 1, y + 3);
    pen.lineTo(x + 3.5, y - 3);
    pen.stroke();
  }
  if (shape === "cut") {
    pen.beginPath();
    pen.moveTo(x - reach, y + reach);
    pen.lineTo(x + reach, y - reach);
    pen.stroke();
  }
}

function star(x, y, reach) {
  for (let point = 0; point < 10; point++) {
    const angle = (point * Math.PI) / 5 - Math.PI / 2;
    const far = point % 2 === 0 ? reach : reach * 0.45;
    pen.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
  }
  pen.closePath();
}

/// The lanes' names, with what each node is at the selected moment.
function drawHead(selected) {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, size.width, HEAD);
  pen.fillStyle = colours.edge;
  pen.fillRect(0, HEAD - 1, size.width, 1);
  pen.fillStyle = colours.faint;
  pen.fillText("time in s", 10, HEAD / 2);
  viewsAt(selected).forEach((view, lane) => {
    const x = lanes.xs[lane];
    pen.fillStyle = colours.ink;
    pen.textAlign = "center";
    pen.font = "600 13px system-ui, sans-serif";
    pen.fillText(name(view.node), x, 11);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colours.faint;
    const state = view.state;
    const short = { follower: "follower", "pre-candidate": "pre-cand.", candidate: "candidate", leader: "★ leader" };
    const text = !view.up ? "down" : !state ? "starts" : lanes.each < 74 ? `T${state.term}` : `${short[state.role]} T${state.term}`;
    pen.fillText(text, x, 25);
  });
  pen.font = "11.5px system-ui, sans-serif";
  if (look.clients && crowd > 0) {
    pen.fillStyle = colours.faint;
    pen.fillText(lanes.narrow ? "cl." : "clients", lanes.client + 8, HEAD / 2);
  }
  pen.textAlign = "left";
}
