/* Only pictures for which a condition over their facts holds: typed as SQL, or put together from a
   fact, a comparison and a value. It holds for what is browsed and for what is searched. */

import { byId, element } from "./elements.js";

const RELATIONS = [
  ["=", "is"],
  ["!=", "is not"],
  [">=", "is at least"],
  ["<=", "is at most"],
  ["LIKE", "contains"],
];
const NUMBERS = ["integer", "number", "real", "float"];

export function makeFilter(app) {
  const field = byId("where");
  let columns = [];

  function render({ collection, options }) {
    columns = app.collections.find((one) => one.collection === collection)?.columns ?? [];
    const names = columns.map(({ name }) => name);
    const choice = byId("column");
    if (names.join() !== [...choice.options].map(({ value }) => value).join()) {
      choice.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    }
    byId("builder").hidden = names.length === 0;
    const where = options.where ?? "";
    if (field.value !== where) field.value = where;
  }

  function set(where) {
    const options = { ...app.state.options, where };
    if (!where) delete options.where;
    app.go({ options });
  }

  /** A name or a text of SQLite within its quotes, whatever it holds. */
  const quoted = (text, mark) => mark + text.replaceAll(mark, mark + mark) + mark;

  function condition() {
    const name = byId("column").value;
    const relation = byId("relation").value;
    const value = byId("value").value;
    const column = /^[a-z_]\w*$/i.test(name) ? name : quoted(name, '"');
    if (relation === "LIKE") return `${column} LIKE ${quoted(`%${value}%`, "'")}`;
    const type = String(columns.find((one) => one.name === name)?.type).toLowerCase();
    const isNumber = NUMBERS.includes(type) && value.trim() !== "" && !Number.isNaN(Number(value));
    return `${column} ${relation} ${isNumber ? value.trim() : quoted(value, "'")}`;
  }

  byId("relation").append(...RELATIONS.map(([value, says]) => element("option", { value }, says)));
  field.addEventListener("change", () => set(field.value.trim()));
  byId("add-condition").addEventListener("click", () => {
    const before = field.value.trim();
    set(before ? `(${before}) AND ${condition()}` : condition());
  });
  byId("value").addEventListener("keydown", (event) => {
    if (event.key === "Enter") byId("add-condition").click();
  });

  return { render };
}
