// The drawing pad: strokes by mouse, pen or finger, and the picture of them that is sent.

const PEN = 0.08; // of the pad's side

export class Pad {
  // changed() is called when there is something new to classify.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.strokes = [];
    this.drawing = null; // the pointer that draws, one at a time
    this.picture = null; // a test image in place of strokes
    this.small = document.createElement("canvas");
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(end, (event) => this.end(event));
    }
    new ResizeObserver(() => this.paint()).observe(canvas);
  }

  get empty() {
    return this.strokes.length === 0;
  }

  get busy() {
    return this.drawing !== null;
  }

  clear() {
    this.strokes = [];
    this.picture = null;
    this.paint();
  }

  // Shows a test image, an offscreen canvas.
  show(picture) {
    this.strokes = [];
    this.picture = picture;
    this.paint();
  }

  begin(event) {
    if (this.busy || (event.pointerType === "mouse" && event.button !== 0)) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = event.pointerId;
    this.picture = null;
    this.strokes.push([this.place(event)]);
    this.paint();
    this.changed();
  }

  go(event) {
    if (event.pointerId !== this.drawing) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) this.strokes.at(-1).push(this.place(one));
    this.paint();
    this.changed();
  }

  end(event) {
    if (event.pointerId === this.drawing) this.drawing = null;
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  paint() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    if (this.picture) {
      context.imageSmoothingQuality = "high";
      context.drawImage(this.picture, 0, 0, side, side);
    } else {
      stroke(context, side, this.strokes, PEN);
    }
  }

  // Ink of the drawing, side x side bytes. A small drawing gets a thin pen: scaled up to the size
  // of the network's images, its lines are then as thick as theirs.
  bytes(side) {
    this.small.width = this.small.height = side;
    const context = this.small.getContext("2d", { willReadFrequently: true });
    stroke(context, side, this.strokes, Math.min(PEN, Math.max(0.02, extent(this.strokes) * 0.11)));
    const colours = context.getImageData(0, 0, side, side).data;
    const ink = new Uint8Array(side * side);
    for (let at = 0; at < ink.length; at++) ink[at] = colours[4 * at];
    return ink;
  }
}

function extent(strokes) {
  const [xs, ys] = [0, 1].map((axis) => strokes.flatMap((points) => points.map((p) => p[axis])));
  return Math.max(range(xs), range(ys));
}

function range(values) {
  return values.reduce((a, b) => Math.max(a, b), 0) - values.reduce((a, b) => Math.min(a, b), 1);
}

function stroke(context, side, strokes, width) {
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  context.strokeStyle = "#fff";
  context.lineWidth = width * side;
  context.lineCap = context.lineJoin = "round";
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(points[0][0] * side, points[0][1] * side);
    if (points.length === 1) context.lineTo(points[0][0] * side, points[0][1] * side + 0.01);
    for (const [x, y] of points.slice(1)) context.lineTo(x * side, y * side);
    context.stroke();
  }
}
