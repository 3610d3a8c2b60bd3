// The plots: input raster, membrane potentials, output raster.

import { NEURONS } from "./plot.js";

const INPUTS = 784;

export function inputs(context, area, answer, colour) {
  const step = area.width / answer.T;
  const row = area.height / INPUTS;
  context.fillStyle = colour.ink;
  for (let t = 0; t < answer.T; t++) {
    for (let n = 0; n < INPUTS; n++) {
      if (answer.inputs[t * INPUTS + n]) {
        context.fillRect(area.x + t * step, n * row, Math.max(1, 0.8 * step), Math.max(1, row));
      }
    }
  }
  names(context, [0, 196, 392, 588].map((n) => [n * row, String(n)]), colour);
}

export function outputs(context, area, answer) {
  const step = area.width / answer.T;
  const row = area.height / 10;
  for (let n = 0; n < 10; n++) {
    context.fillStyle = NEURONS[n];
    context.fillText(String(n), 6, (n + 0.5) * row + 4);
    for (let t = 0; t < answer.T; t++) {
      if (answer.outputs[t * 10 + n]) {
        context.fillRect(area.x + t * step, n * row + 1, Math.max(1, 0.6 * step), row - 2);
      }
    }
  }
}

// Ten lanes of one scale, from the lowest potential to the threshold; what lies below minus two
// thresholds runs along the lower edge. A spike is a line from the threshold to the lane's top.
export function membranes(context, area, answer, colour) {
  const threshold = answer.v_threshold;
  const top = 1.5 * threshold;
  const lowest = answer.v.reduce((a, b) => Math.min(a, b), 0);
  const bottom = Math.max(lowest, -2 * threshold);
  const lane = area.height / 10;
  const step = area.width / answer.T;
  for (let n = 0; n < 10; n++) {
    const y = (v) => n * lane + 1 + ((top - Math.max(v, bottom)) / (top - bottom)) * (lane - 4);
    horizontal(context, area, y(0), colour.line, []);
    horizontal(context, area, y(threshold), colour.threshold, [4, 3]);
    context.fillStyle = context.strokeStyle = NEURONS[n];
    context.fillText(String(n), 6, (n + 0.5) * lane + 4);
    context.lineWidth = 1.4;
    context.beginPath();
    context.moveTo(area.x, y(0));
    for (let t = 0; t < answer.T; t++) {
      if (answer.outputs[t * 10 + n]) {
        const x = area.x + (t + 0.5) * step;
        context.lineTo(x, y(threshold));
        context.lineTo(x, y(top));
        context.moveTo(x, y(threshold));
        context.lineTo(x, y(answer.v[t * 10 + n]));
      }
      context.lineTo(area.x + (t + 1) * step, y(answer.v[t * 10 + n]));
    }
    context.stroke();
  }
}

function horizontal(context, area, y, colour, dashes) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.setLineDash(dashes);
  context.beginPath();
  context.moveTo(area.x, y);
  context.lineTo(area.x + area.width, y);
  context.stroke();
  context.setLineDash([]);
}

function names(context, places, colour) {
  context.fillStyle = colour.quiet;
  for (const [y, name] of places) context.fillText(name, 0, y + 9);
}
