// A plot over time that can be played: bright behind the cursor, faint ahead of it.

const MARGIN = 22; // left, for names

export class Plot {
  // paint(context, width, height, answer) draws the whole plot, once for each answer.
  constructor(canvas, paint) {
    this.canvas = canvas;
    this.paint = paint;
    this.whole = document.createElement("canvas");
    this.answer = null;
    this.step = Infinity;
    new ResizeObserver(() => this.render()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.render());
  }

  show(answer) {
    this.answer = answer;
    this.render();
  }

  render() {
    const scale = devicePixelRatio;
    for (const canvas of [this.canvas, this.whole]) {
      canvas.width = Math.round(this.canvas.clientWidth * scale);
      canvas.height = Math.round(this.canvas.clientHeight * scale);
    }
    const context = this.whole.getContext("2d");
    context.scale(scale, scale);
    if (this.answer) {
      const area = { x: MARGIN, width: this.canvas.clientWidth - MARGIN, height: this.canvas.clientHeight };
      this.paint(context, area, this.answer, colours());
    }
    this.play(this.step);
  }

  // Moves the cursor behind time step `step`; Infinity shows everything.
  play(step) {
    this.step = step;
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    if (!this.answer || !width) return;
    const left = MARGIN * devicePixelRatio;
    const share = Math.min(1, step / this.answer.T);
    const cursor = Math.round(left + (width - left) * share);
    context.globalAlpha = 0.25;
    context.drawImage(this.whole, 0, 0);
    context.globalAlpha = 1;
    if (cursor > 0) {
      context.clearRect(0, 0, cursor, height);
      context.drawImage(this.whole, 0, 0, cursor, height, 0, 0, cursor, height);
    }
    if (share < 1) {
      context.fillStyle = colours().quiet;
      context.fillRect(cursor, 0, devicePixelRatio, height);
    }
  }
}

// A colour for each neuron, distinct on white and on black.
export const NEURONS = [
  "#4e79d8", "#e8832a", "#3a9d5d", "#d64550", "#8e6bc9",
  "#9c6b52", "#d86fb4", "#7d8794", "#a8a12c", "#2aa8b8",
];

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = ["ink", "quiet", "line", "threshold"].map((name) => [name, style.getPropertyValue(`--${name}`)]);
  return Object.fromEntries(named);
}
