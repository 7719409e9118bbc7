/* How to search: switches made from what the server says it offers, with its defaults. */

import { byId, element } from "./elements.js";

const FIRST = ["rerank", "expand", "group", "k"]; // the others lie under "more"
const ELSEWHERE = ["where"]; // has fields of its own, see filter.js
const LABELS = {
  rerank: "rerank, with boxes",
  expand: "query expansion",
  group: "group hits by",
  k: "how many hits",
};

export function makeOptions(app) {
  const controls = new Map();

  /** Lay out the fields, once they are known. */
  function build() {
    const offered = app.fields.filter(({ name }) => !ELSEWHERE.includes(name));
    const rank = ({ name }) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    for (const field of [...offered].sort((one, other) => rank(one) - rank(other))) {
      byId(FIRST.includes(field.name) ? "options-first" : "options-rest").append(row(field));
    }
  }

  function row(field) {
    const { name, type, says } = field;
    const control =
      type === "boolean"
        ? element("input", { type: "checkbox" })
        : field.choices
          ? choices(field)
          : entry(field);
    control.id = `option-${name}`;
    control.setAttribute("aria-describedby", `option-${name}-says`);
    control.addEventListener("change", () => changed(field, control));
    controls.set(name, { field, control });
    const label = element("label", { for: control.id }, LABELS[name] ?? name);
    const help = element("small", { id: `option-${name}-says` }, (says ?? "").replaceAll("`", ""));
    return element("div", { class: `option ${type}` }, label, control, help);
  }

  function choices({ choices: offered, default: standard }) {
    const known = offered.map((one) => one ?? "");
    if (standard === null && !known.includes("")) known.unshift("");
    return element(
      "select",
      {},
      ...known.map((one) => element("option", { value: one }, one || "none")),
    );
  }

  function entry({ type, default: standard, least, most }) {
    const isNumber = type === "integer" || type === "number";
    const shown = standard === null ? "not set" : String(standard);
    const bounds = isNumber ? { min: least, max: most, step: type === "integer" ? 1 : "any" } : {};
    return element("input", {
      type: isNumber ? "number" : "text",
      placeholder: shown,
      autocomplete: "off",
      ...bounds,
    });
  }

  const textOf = (value) => (value === null || value === undefined ? "" : String(value));

  function changed({ name, type, default: standard }, control) {
    const text = type === "boolean" ? String(control.checked) : control.value.trim();
    if (control.validity && !control.validity.valid) return control.reportValidity();
    const options = { ...app.state.options, [name]: text };
    if (text === textOf(standard) || (text === "" && standard !== null)) delete options[name];
    app.go({ options });
  }

  function render({ options }) {
    for (const [name, { field, control }] of controls) {
      const text = options[name] ?? textOf(field.default);
      if (field.type === "boolean") control.checked = text === "true";
      else if (document.activeElement !== control || control.value !== text) control.value = text;
      control.closest(".option").classList.toggle("changed", name in options);
    }
  }

  byId("options").addEventListener("submit", (event) => event.preventDefault()); // Enter in a field
  return { build, render };
}
