// The list of findings and its filters.

const FINDING_COLUMNS = [
  { id: "state", title: "Verdict", key: (each) => Object.keys(STATES).indexOf(stateOf(each)), cell: (each) => badge(stateOf(each)) },
  { id: "severity", title: "Severity", key: (each) => ["high", "medium", "low"].indexOf(each.severity),
    cell: (each) => (each.verdict === undefined ? el("span", { class: "faint" }, "–") : el("span", { class: `level ${each.severity}` }, each.severity)) },
  { id: "question", title: "Question", key: (each) => each.asked.ask, cell: (each) => said(each.asked.ask) },
  { id: "value", title: "Answer", key: (each) => each.value, cell: (each) => [each.value === undefined
    ? el("span", { class: "faint" }, each.reason === undefined ? "–" : said(each.reason)) : valueOf(each),
  each.human ? el("span", { class: "mark", title: "Reviewed by a person" }, "person") : null,
  each.differ ? el("span", { class: "mark", title: "Its parts differ" }, "differ") : null] },
  { id: "confidence", title: "Confidence", key: (each) => each.confidence, cell: (each) => meter(each.confidence) },
  { id: "grounding", title: "On the page", key: (each) => each.grounding,
    cell: (each) => (each.grounding ? el("span", { class: `ground ${each.grounding}` }, each.grounding.replace("_", " ")) : el("span", { class: "faint" }, "–")) },
  { id: "object", title: "Object", key: (each) => each.asset.name, cell: (each) => said(each.asset.name, { title: visible(each.asset.asset) }) },
  { id: "where", title: "Where", key: (each) => each.page ?? each.time_s, cell: (each) => where(each) },
];

const MARKS = { human: "Reviewed by a person", differ: "Parts differ", climbed: "Asked again" };

function choice(name, title, options) {
  return el("label", { class: "choice" }, el("span", { class: "unseen" }, title),
    el("select", { name }, el("option", { value: "" }, title), Object.entries(options).map(([value, word]) =>
      el("option", { value }, word))));
}

function searchBox(label) {
  return el("label", { class: "search" }, el("span", { class: "unseen" }, label),
    el("input", { type: "search", name: "text", placeholder: `${label}  ( / )`, autocomplete: "off", spellcheck: "false" }));
}

/** A form of filters; `changed(values)` is told what stands in it. */
function filterForm(label, changed, ...controls) {
  const form = el("form", { class: "filters", role: "search", "aria-label": label, oninput: tell,
    onsubmit: (event) => event.preventDefault() }, controls, el("output", { class: "shown" }));

  function tell() {
    const values = Object.fromEntries(new FormData(form));
    form.querySelector("output").textContent = changed(values);
  }

  return { element: form, tell, fill: (parameters) => {
    form.reset();
    for (const [name, value] of parameters) {
      for (const field of form.elements) {
        if (field.name === name && field.type === "radio") field.checked = field.value === value;
        else if (field.name === name) field.value = value;
      }
    }
    tell();
  } };
}

/** Radio buttons, one for each state that there is, with the number of items in it. */
function stateChips(counts, total) {
  const chips = Object.entries(STATES).filter(([state]) => counts.has(state)).map(([state, [sign, word]]) => [state, sign, word, counts.get(state)]);
  return el("fieldset", { class: "chips" }, el("legend", { class: "unseen" }, "Verdict"),
    [["", "", "All", total], ...chips].map(([state, sign, word, number], place) => el("label", { class: `chip ${state}` },
      el("input", { type: "radio", name: "state", value: state, checked: place === 0 ? "" : null }),
      sign ? el("span", { "aria-hidden": "true" }, sign) : null, ` ${word} `, el("span", { class: "tally" }, count(number)))));
}

function tallied(items, state) {
  const counts = new Map();
  for (const item of items) counts.set(state(item), (counts.get(state(item)) ?? 0) + 1);
  return counts;
}

/** A text to search an item by, made when it is first searched. */
function holds(item, words, textOf) {
  item.searched ??= textOf(item).toLowerCase();
  return words.every((word) => item.searched.includes(word));
}

function findingText(each) {
  return [each.asked.ask, each.question, each.value, each.currency, each.reason, each.quote, each.asset.asset].join("\n");
}

function findingsView() {
  const questions = Object.fromEntries([...report.questions, ...report.findings.map((each) => each.asked)]
    .map((each) => [each.id, visible(each.ask)]));
  const filters = filterForm("Filter findings", (values) => {
    const words = values.text.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = report.findings.filter((each) => (!values.state || stateOf(each) === values.state)
      && (!values.severity || (each.verdict !== undefined && each.severity === values.severity))
      && (!values.question || each.question === values.question)
      && (!values.grounding || each.grounding === values.grounding)
      && (!values.mark || each[values.mark]) && (!words.length || holds(each, words, findingText)));
    split.list.show(kept);
    return `${count(kept.length)} of ${count(report.findings.length)}`;
  },
  searchBox("Filter: words, answers, files"),
  stateChips(tallied(report.findings, stateOf), report.findings.length),
  el("div", { class: "choices" },
    choice("severity", "Any severity", { high: "High", medium: "Medium", low: "Low" }),
    choice("question", "Any question", questions),
    choice("grounding", "Any grounding", Object.fromEntries(Object.keys(GROUNDED).map((each) => [each, each.replace("_", " ")]))),
    choice("mark", "Any mark", MARKS)));
  const split = makeSplit({ name: "findings", filters: filters.element, detail: findingDetail, listOf: (told) => makeList({
    id: "findings-list", label: "Findings", columns: FINDING_COLUMNS, empty: "No finding is like that.", ...told }) });
  filters.tell();
  return { ...split, fill: filters.fill, items: report.findings };
}
