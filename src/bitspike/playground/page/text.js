// The texts of the page, in the language of the browser.

const english = {
  playground: "playground",
  hint: "Draw a digit here",
  pad: "Drawing pad: draw a digit with mouse, pen or finger",
  clear: "Clear",
  sample: "Test image",
  number: "No.",
  seen: "what the network sees",
  rates: "Firing rate and spikes of the ten neurons",
  network: "Network",
  T: "Time steps T",
  tau: "Membrane time constant τ, in steps",
  v_threshold: "Threshold",
  trained: "As trained",
  pause: "Pause",
  play: "Play",
  membranes: "Membrane potentials, with the threshold",
  outputs: "Output spikes",
  inputs: "Input spikes",
  connecting: "Connecting …",
  loading: "Loading a network …",
  training: "Training a network first, for some seconds …",
  problem: "No network could be prepared; the terminal shows why.",
  lost: "Connection lost; trying again …",
  ready: "Ready",
  silent: "no neuron fired",
  label: (name) => `test image of a ${name}`,
  speed: (ms) => `${ms.toFixed(1)} ms for this image`,
};

const chinese = {
  playground: "试验场",
  hint: "在这里写一个数字",
  pad: "画板：用鼠标、笔或手指写一个数字",
  clear: "清除",
  sample: "测试图片",
  number: "编号",
  seen: "网络看到的图像",
  rates: "十个神经元的发放率与脉冲数",
  network: "网络",
  T: "时间步数 T",
  tau: "膜时间常数 τ（步）",
  v_threshold: "阈值",
  trained: "恢复训练时的值",
  pause: "暂停",
  play: "播放",
  membranes: "膜电位与阈值",
  outputs: "输出脉冲",
  inputs: "输入脉冲",
  connecting: "正在连接 …",
  loading: "正在载入网络 …",
  training: "先训练一个网络，需要几秒 …",
  problem: "没有可用的网络；原因见终端。",
  lost: "连接已断开，正在重试 …",
  ready: "就绪",
  silent: "没有神经元发放",
  label: (name) => `测试图片，标签 ${name}`,
  speed: (ms) => `此图用时 ${ms.toFixed(1)} 毫秒`,
};

const language = navigator.language.startsWith("zh") ? "zh" : "en";

export const text = language === "zh" ? chinese : english;

export function translate(root) {
  root.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = text[node.dataset.text];
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", text[node.dataset.label]);
  }
}
