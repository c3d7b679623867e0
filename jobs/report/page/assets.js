// The lists of objects and of failures.

const ASSET_COLUMNS = [
  { id: "state", title: "Status", key: (each) => Object.keys(STATES).indexOf(each.status), cell: (each) => badge(each.status) },
  { id: "object", title: "Object", key: (each) => each.name, cell: (each) => said(each.name, { title: visible(each.asset) }) },
  { id: "kind", title: "Kind", key: (each) => each.kind, cell: (each) => each.kind },
  { id: "units", title: "Pages, frames", key: (each) => each.units, cell: (each) => (each.units === undefined ? "–" : count(each.units)) },
  { id: "coverage", title: "Seen", key: (each) => each.coverage, cell: (each) => share(each.coverage) },
  { id: "verdicts", title: "Findings", key: (each) => -tallied(each.findings, stateOf).get("fail") || 0, cell: (each) =>
    [...tallied(each.findings, stateOf)].sort(([a], [b]) => Object.keys(STATES).indexOf(a) - Object.keys(STATES).indexOf(b))
      .map(([state, number]) => el("span", { class: `small ${state}`, title: STATES[state][1] }, `${STATES[state][0]} ${number}`)) },
  { id: "bytes", title: "Size", key: (each) => each.bytes, cell: (each) => size(each.bytes) },
  { id: "reason", title: "Reason", key: (each) => each.reason, cell: (each) => (each.reason === undefined ? "" : said(each.reason)) },
];

function assetsView() {
  const filters = filterForm("Filter objects", (values) => {
    const words = values.text.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = report.assets.filter((each) => (!values.state || each.status === values.state)
      && (!values.kind || each.kind === values.kind)
      && (!words.length || holds(each, words, (asset) => `${asset.asset}\n${asset.reason ?? ""}`)));
    split.list.show(kept);
    return `${count(kept.length)} of ${count(report.assets.length)}`;
  },
  searchBox("Filter: names, reasons"),
  stateChips(tallied(report.assets, (each) => each.status), report.assets.length),
  choice("kind", "Any kind", Object.fromEntries([...new Set(report.assets.map((each) => each.kind))].map((kind) => [kind, kind]))));
  const split = makeSplit({ name: "assets", filters: filters.element, detail: assetDetail, listOf: (told) => makeList({
    id: "assets-list", label: "Objects", columns: ASSET_COLUMNS, empty: "No object is like that.", ...told }) });
  filters.tell();
  return { ...split, fill: filters.fill, items: report.assets };
}

const FAILURE_COLUMNS = [
  { id: "reason", title: "Reason", key: (each) => `${each.phase} ${each.category}`, cell: (each) => `${each.phase}: ${each.category}` },
  { id: "object", title: "Object", key: (each) => each.asset.name, cell: (each) => said(each.asset.name, { title: visible(each.asset.asset) }) },
  { id: "where", title: "Where", key: (each) => each.page ?? each.time_s, cell: (each) => where(each) },
  { id: "message", title: "What happened, what to do", cell: (each) => said(each.message) },
  { id: "attempts", title: "Tries", key: (each) => each.attempts, cell: (each) => count(each.attempts) },
  { id: "retry", title: "May pass later", key: (each) => String(each.retryable), cell: (each) => (each.retryable ? "yes" : "no") },
];

async function failureDetail(failure, moves) {
  return assetDetail(failure.asset, moves);
}

function failuresView() {
  const reasons = [...new Set(report.failures.map((each) => each.category))].sort();
  const filters = filterForm("Filter failures", (values) => {
    const words = values.text.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = report.failures.filter((each) => (!values.category || each.category === values.category)
      && (!words.length || holds(each, words, (failure) => `${failure.asset.asset}\n${failure.message}`)));
    split.list.show(kept);
    return `${count(kept.length)} of ${count(report.failures.length)}`;
  },
  searchBox("Filter: names, messages"),
  choice("category", "Any reason", Object.fromEntries(reasons.map((each) => [each, each]))));
  const split = makeSplit({ name: "failures", filters: filters.element, detail: failureDetail, listOf: (told) => makeList({
    id: "failures-list", label: "Failures", columns: FAILURE_COLUMNS, empty: "Nothing failed like that.", ...told }) });
  filters.tell();
  return { ...split, fill: filters.fill, items: report.failures };
}
