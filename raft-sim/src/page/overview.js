// The strip above the diagram: the whole recording at once, and where in it the reader is; and what
// of the diagram lies under a point. What it draws with is in diagram.js.

const overview = document.getElementById("overview");
let whole = null; // the overview without what moves, drawn once for each width and theme

/// A strip as wide as the page: how much happens when, who leads, what goes wrong.
function drawOverview(selected, matches) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [overview.clientWidth, 26];
  if (width === 0 || happenings.length === 0) return;
  overview.width = width * ratio;
  overview.height = height * ratio;
  const at = (place) => (place / Math.max(1, happenings.length - 1)) * (width - 16) + 8;
  const key = `${width} ${colours.paper}`;
  if (!whole || whole.key !== key) {
    const still = document.createElement("canvas");
    still.width = overview.width;
    still.height = overview.height;
    const brush = still.getContext("2d");
    brush.scale(ratio, ratio);
    withPen(brush, () => drawWhole(at, width, height));
    whole = { key, still };
  }
  const brush = overview.getContext("2d");
  brush.drawImage(whole.still, 0, 0);
  brush.scale(ratio, ratio);
  brush.fillStyle = colours["pick-edge"];
  for (const place of matches) brush.fillRect(at(place) - 0.5, height - 6, 1.5, 6);
  brush.fillStyle = colours.focus;
  brush.fillRect(at(selected) - 1, 0, 2.5, height);
}

function drawWhole(at, width, height) {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, width, height);
  const roof = 11;
  for (const band of bands.filter((one) => one.links.length > 0)) {
    hatch(at(Math.max(0, band.at)), roof, Math.max(2, at(band.end) - at(Math.max(0, band.at))), height - roof, colours.cut);
  }
  segments.forEach((parts, lane) => {
    const y = roof + 1 + ((height - roof - 2) * (lane + 0.5)) / nodes.length;
    parts.forEach((part, place) => {
      if (!part.up) return;
      const from = at(Math.max(0, part.at));
      const to = at(place + 1 < parts.length ? parts[place + 1].at : happenings.length - 1);
      pen.fillStyle = part.role === "leader" ? colours.leader : colours.edge;
      const tall = part.role === "leader" ? 3 : 1;
      pen.fillRect(from, y - tall / 2, Math.max(0.5, to - from), tall);
    });
  });
  pen.font = "9px system-ui, sans-serif";
  pen.textBaseline = "middle";
  let free = -1;
  happenings.forEach((happening, place) => {
    const x = at(place);
    const elected = happening.what === "stepped" && marks[place].shape === "star";
    if (happening.what === "stopped") {
      pen.strokeStyle = colours.trouble;
      cross(x, 5, 2.6);
    } else if (elected && x > free) {
      pen.fillStyle = colours.ink;
      pen.beginPath();
      star(x, 5, 5);
      pen.fill();
      pen.fillText(`T${happening.state.term}`, x + 6, 6);
      free = x + 24;
    } else if (happening.what === "violated") {
      pen.fillStyle = colours.trouble;
      pen.fillRect(x - 2, 0, 4, height);
    }
  });
}

// ---- what lies under a point ------------------------------------------------------------------

/// The happening nearest to a point of the canvas, if one is near.
function hit(x, y) {
  const top = diagram.scrollTop;
  const begin = Math.max(0, firstFrom(top + y - look.height * 8) - 1);
  const end = Math.min(shown.length, firstFrom(top + y + look.height * 8) + 1);
  let best = null;
  let least = 14;
  for (let place = begin; place < end; place++) {
    const at = shown[place];
    const happening = happenings[at];
    const lane = laneOf.get(happening.node);
    const across = lane === undefined ? 0 : Math.abs(lanes.xs[lane] - x);
    const far = Math.hypot(Math.min(across, lane === undefined ? 0 : 40), ys[at] - top - y);
    const weight = far + (happening.what === "sent" ? 2 : happening.what === "arrived" ? 1 : 0);
    if (across < 30 && weight < least) {
      least = weight;
      best = at;
    }
  }
  const bucket = Math.floor(Math.max(0, firstFrom(top + y) - 1) / BUCKET);
  const close = new Set([...(buckets[bucket] || []), ...(buckets[bucket - 1] || []), ...(buckets[bucket + 1] || [])]);
  least = Math.min(least, 9);
  for (const edge of close) {
    const { x0, y0, x1, y1 } = shapeOf(edge, top);
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const along = Math.max(0, Math.min(1, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / (length * length)));
    // A letter that only passes by a mark does not hide it.
    const far = 2 + Math.hypot(x0 + (x1 - x0) * along - x, y0 + (y1 - y0) * along - y);
    if (far < least) {
      least = far;
      best = edge.sent >= 0 ? edge.sent : edge.arrived;
    }
  }
  return best;
}
