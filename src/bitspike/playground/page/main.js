// Connects the pad, the controls, the server and the plots.

import { Bars, picture, verdict } from "./bars.js";
import { Controls } from "./controls.js";
import { Link } from "./link.js";
import { Pad } from "./pad.js";
import * as paint from "./paint.js";
import { Plot } from "./plot.js";
import { text, translate } from "./text.js";

const SWEEP_MS = 2500; // one presentation, played

const byId = (id) => document.getElementById(id);
translate(document);

const bars = new Bars(byId("bars"));
const plots = ["membranes", "outputs", "inputs"].map((name) => new Plot(byId(name), paint[name]));
const offscreen = document.createElement("canvas");

let side = 0;
let id = 0;
let seed = newSeed();
let sample = null; // number of the test image that is shown in place of a drawing
let answer = null;
let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
let began = performance.now();

const pad = new Pad(byId("pad"), () => {
  sample = null;
  ask();
});
const controls = new Controls(ask);
const link = new Link({ state, answer: receive, lost: () => status("bad", text.lost) });
status("wait", text.connecting);

// -- requests ------------------------------------------------------------------------------------

function ask() {
  if (sample !== null && sample >= controls.model.samples) sample = null;
  byId("hint").hidden = !pad.empty || sample !== null;
  if (controls.model) link.request(request);
}

function request() {
  const header = { id: ++id % 2 ** 31, seed, ...controls.values };
  if (sample !== null) return { header: { ...header, sample }, body: new Uint8Array() };
  return { header, body: pad.bytes(side) };
}

function newSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

// -- messages of the server -------------------------------------------------------------------------

function state(message) {
  side = message.side;
  controls.update(message);
  if (message.models.length) {
    bars.rename(controls.model.classes);
    status("ready", text.ready);
    ask();
  } else if (message.training !== null) {
    status("wait", text.training, message.training);
  } else {
    status(message.problem ? "bad" : "wait", message.problem ? text.problem : text.loading);
  }
}

function receive(message) {
  if (message.type !== "answer") return;
  answer = message;
  const names = controls.model.classes;
  bars.rename(names);
  verdict(answer, names);
  picture(byId("seen"), answer.image);
  if (sample !== null && answer.label !== null) pad.show(picture(offscreen, answer.image));
  for (const plot of plots) plot.show(answer);
  if (!playing) rest();
  document.body.dataset.answer = answer.id; // for tests: this many answers have been shown
}

function status(kind, words, share) {
  const node = byId("status");
  node.dataset.kind = kind;
  node.firstElementChild.textContent = words;
  const progress = node.querySelector("progress");
  progress.hidden = share === undefined;
  if (share !== undefined) progress.value = share;
}

// -- time ------------------------------------------------------------------------------------------

// At the end of a presentation another one begins, with other random spikes.
function frame(now) {
  if (playing && answer) {
    let share = (now - began) / SWEEP_MS;
    if (share >= 1) {
      began = now;
      share = 0;
      if (!pad.busy) {
        seed = newSeed();
        ask();
      }
    }
    const step = Math.max(0, share) * answer.T;
    for (const plot of plots) plot.play(step);
    bars.show(answer, step);
  }
  requestAnimationFrame(frame);
}

function rest() {
  for (const plot of plots) plot.play(Infinity);
  if (answer) bars.show(answer, Infinity);
}

function play(on) {
  playing = on;
  byId("play").textContent = on ? text.pause : text.play;
  byId("play").setAttribute("aria-pressed", String(on));
  began = performance.now();
  if (!on) rest();
}

// -- buttons ---------------------------------------------------------------------------------------

function show(number) {
  sample = number;
  byId("sample-number").value = number;
  ask();
}

byId("clear").addEventListener("click", () => {
  sample = null;
  pad.clear();
  ask();
});
byId("sample").addEventListener("click", () => show(newSeed() % controls.model.samples));
byId("sample-number").addEventListener("input", (event) => {
  const number = event.target.valueAsNumber;
  if (Number.isInteger(number) && number >= 0 && number < controls.model.samples) show(number);
});
byId("play").addEventListener("click", () => play(!playing));

play(playing);
requestAnimationFrame(frame);
