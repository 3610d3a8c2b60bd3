// Sliders, the choice of a network, and test images.

const SLIDERS = ["T", "tau", "v_threshold"];
const byId = (id) => document.getElementById(id);

export class Controls {
  // changed() is called when a slider moves, or another network is chosen.
  constructor(changed) {
    this.changed = changed;
    this.models = [];
    for (const name of SLIDERS) {
      byId(name).addEventListener("input", () => {
        this.label(name);
        changed();
      });
    }
    byId("model").addEventListener("change", () => this.asTrained());
    byId("trained").addEventListener("click", () => this.asTrained());
  }

  get model() {
    return this.models[byId("model").selectedIndex];
  }

  get values() {
    const { limits } = this;
    const numbers = SLIDERS.map((name) => {
      const [low, high] = limits[name];
      return [name, Math.min(high, Math.max(low, Number(byId(name).value)))];
    });
    return { model: byId("model").selectedIndex, ...Object.fromEntries(numbers) };
  }

  // Show the networks of the server. Sliders are set once, and not again after a reconnection.
  update(state) {
    this.limits = state.limits;
    const first = this.models.length === 0 && state.models.length > 0;
    const select = byId("model");
    const chosen = Math.max(0, select.selectedIndex);
    this.models = state.models;
    select.replaceChildren(...state.models.map(({ name }) => new Option(name)));
    select.selectedIndex = Math.min(chosen, state.models.length - 1);
    select.disabled = state.models.length === 0;
    for (const name of SLIDERS) [byId(name).min, byId(name).max] = state.limits[name];
    this.enable();
    if (first) this.asTrained();
    SLIDERS.forEach((name) => this.label(name));
  }

  asTrained() {
    if (!this.model) return;
    this.enable();
    byId("T").value = this.model.T;
    byId("tau").value = this.model.tau;
    byId("v_threshold").value = 1;
    SLIDERS.forEach((name) => this.label(name));
    this.changed();
  }

  enable() {
    const samples = this.model?.samples ?? 0;
    byId("sample").disabled = byId("sample-number").disabled = samples === 0;
    byId("sample-number").max = samples - 1;
  }

  label(name) {
    byId(`${name}-value`).textContent = byId(name).value;
  }
}
