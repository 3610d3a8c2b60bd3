"""The words of the catalogue itself, in English and in Chinese."""

GROUPS = {
    "integrate": {"en": "Integrate and fire", "zh": "积分发放"},
    "currents": {"en": "With currents, gates and oscillations", "zh": "带电流、门控和振荡"},
    "outputs": {"en": "With other outputs than 0 and 1", "zh": "输出不只是 0 和 1"},
    "training": {"en": "Made for a way of training", "zh": "为某种训练方式设计"},
    "conversion": {"en": "For networks converted from ANNs", "zh": "用于由 ANN 转换来的网络"},
    "reinforcement": {"en": "For reinforcement learning", "zh": "用于强化学习"},
}
"""Titles of the groups of neurons, in the order of the page."""

WORDS = {
    "en": {
        "title": "Neurons",
        "intro": """\
Every neuron of `bitspike.neuron`: its equations, its parameters with their units, a run, and where
it comes from. `print(node)` shows the equations of a neuron of yours, with its settings. This page
is made from the classes' docstrings by `make pages`.

`X[t]` is the input of a step, `H[t]` the membrane potential before the spike, `V[t]` after it, `S[t]`
the spike, `Theta` the step function with `Theta(0) = 1`, whose gradient is that of the
[surrogate](surrogates.md). Time constants are in time steps; potentials have the unit of the input,
"of v" in the tables. [Membrane](concepts/membrane.md) explains the equations,
[Your own neuron](guides/own-neuron.md) how to write another one.

In the pictures time runs to the right, 60 steps. Above is the input `X`, below it the potential with
the threshold (dashed) and the other states, at the bottom the output. Where a neuron fires, the
potential goes up to `H[t]` and in the same step to `V[t]`. Parameters are the defaults unless they
stand under the picture.
""",
        "common": "Arguments of nearly all neurons",
        "common_text": "They are not explained again below, only listed with their defaults.",
        "head": "| parameter | default | unit | meaning |",
        "also": "Also",
        "usual": "And the common arguments.",
        "picture": "run of {}",
        "curve": "output over input of {}",
        "with": "Picture:",
        "paper": "Paper:",
        "bases": "Bases to derive from",
        "of v": "of v",
        "unused": "weights set by hand to a leak of 0.6 a step",
        "conn": "the connection set to -0.4",
    },
    "zh": {
        "title": "神经元",
        "intro": """\
`bitspike.neuron` 的全部神经元：方程、参数及单位、一次运行，以及出处。`print(node)` 会显示你的神经元在当前设置下的方程。本页由 `make pages` 根据各个类的 docstring 生成。

`X[t]` 是一步的输入，`H[t]` 是发放前的膜电位，`V[t]` 是发放后的膜电位，`S[t]` 是脉冲，`Theta` 是阶跃函数，`Theta(0) = 1`，其梯度由[替代函数](surrogates.md)给出。时间常数以时间步为单位；电位的单位与输入相同，表中写作“电位”。[膜电位](concepts/membrane.md)解释这些方程，[自定义神经元](guides/own-neuron.md) 介绍如何写新的神经元。

图中时间从左到右，共 60 步。上面是输入 `X`，中间是电位、阈值（虚线）和其他状态，下面是输出。神经元发放时，电位升到 `H[t]`，并在同一步变为 `V[t]`。除非图下注明，参数都是默认值。
""",
        "common": "几乎所有神经元共有的参数",
        "common_text": "下文不再解释，只列出默认值。",
        "head": "| 参数 | 默认值 | 单位 | 含义 |",
        "also": "另有",
        "usual": "以及共有的参数。",
        "picture": "{} 的一次运行",
        "curve": "{} 的输出随输入的变化",
        "with": "图：",
        "paper": "论文：",
        "bases": "供派生的基类",
        "of v": "电位",
        "unused": "权重手动设为每步 0.6 的泄漏",
        "conn": "连接设为 -0.4",
    },
}
UNITS = {
    "steps": "时间步",
    "of v": "电位",
    "1 / step": "1 / 步",
    "rad / step": "弧度 / 步",
    "as delta_t": "同 delta_t",
}
