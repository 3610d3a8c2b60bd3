// The answer: the digit, firing rates as bars with spike counts, and the image that was presented.

import { NEURONS } from "./plot.js";
import { text } from "./text.js";

export class Bars {
  constructor(list) {
    this.rows = NEURONS.map((colour) => {
      const row = list.appendChild(document.createElement("li"));
      const [name, track, numbers] = ["name", "track", "numbers"].map((kind) => {
        const span = row.appendChild(document.createElement("span"));
        span.className = kind;
        return span;
      });
      const bar = track.appendChild(document.createElement("span"));
      bar.className = "bar";
      bar.style.background = colour;
      return { row, name, bar, numbers };
    });
  }

  rename(names) {
    this.rows.forEach(({ name }, n) => (name.textContent = names[n]));
  }

  // Rates of the whole presentation; counts up to time step `step`.
  show(answer, step) {
    const until = Math.min(answer.T, Math.floor(step));
    if (answer === this.shown && until === this.until) return;
    [this.shown, this.until] = [answer, until];
    this.rows.forEach(({ row, bar, numbers }, n) => {
      const rate = answer.counts[n] / answer.T;
      let count = 0;
      for (let t = 0; t < until; t++) count += answer.outputs[10 * t + n];
      row.classList.toggle("first", n === answer.predicted);
      row.dataset.count = answer.counts[n];
      bar.style.transform = `scaleX(${rate})`;
      numbers.textContent = `${rate.toFixed(2)} · ${count}`;
    });
  }
}

export function verdict(answer, names) {
  const digit = document.getElementById("digit");
  const word = answer.predicted === null ? "–" : names[answer.predicted];
  if (digit.textContent !== word) digit.textContent = word; // or it is read aloud again
  digit.classList.toggle("word", word.length > 1);
  const parts = [];
  if (answer.label !== null) parts.push(text.label(names[answer.label]));
  if (answer.predicted === null && answer.input_spikes) parts.push(text.silent);
  document.getElementById("verdict-text").textContent = parts.join(", ");
  document.getElementById("input-count").textContent = answer.input_spikes.toLocaleString();
  document.getElementById("speed").textContent = text.speed(answer.ms);
}

export function picture(canvas, image) {
  canvas.width = canvas.height = 28;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(28, 28);
  image.forEach((value, at) => pixels.data.set([value, value, value, 255], 4 * at));
  context.putImageData(pixels, 0, 0);
  return canvas;
}
