// The first view: what came out, how much was seen, what it cost, what failed.

function sum(rows, name) {
  return rows.reduce((total, row) => total + (row[name] ?? 0), 0);
}

/** A bar of shares, each a way to the findings behind it. */
function shares(counts, filter) {
  const total = Object.values(counts).reduce((all, each) => all + each, 0);
  return el("div", { class: "shares" }, Object.entries(counts).filter(([, number]) => number).map(([state, number]) => {
    const part = el("a", { class: `share ${state}`, title: `${STATES[state][1]}: ${count(number)}`,
      "aria-label": `${STATES[state][1]}: ${count(number)}`,
      href: `#findings?${new URLSearchParams({ ...filter, state })}` }, `${STATES[state][0]} ${count(number)}`);
    part.style.flexGrow = number / total;
    return part;
  }));
}

function countsOf(rows) {
  const counts = { fail: 0, unsure: 0, pass: 0, answered: 0, failed: 0, not_applicable: 0 };
  for (const row of rows) counts[stateOf(row)] += row.count;
  return counts;
}

function tile(number, label, state, href) {
  return el(href ? "a" : "div", { class: `tile ${state ?? ""}`, href }, el("strong", {}, number), el("span", {}, label));
}

function overviewOf() {
  const found = report.overview;
  const checks = found.answers.filter((row) => row.verdict !== undefined);
  const others = found.answers.filter((row) => row.verdict === undefined);
  const verdicts = countsOf(checks);
  const states = countsOf(found.answers);
  const objects = sum(found.assets, "count");
  const read = sum(found.assets.filter((row) => row.status === "ok"), "count");
  const units = sum(found.assets, "units");
  const seenShare = units ? 1 - sum(found.assets, "units_failed") / units : undefined;
  const [contradicted, absent] = ["contradicted", "absent"].map((grounding) =>
    sum(found.answers.filter((row) => row.grounding === grounding), "count"));
  const human = sum(found.answers, "human");
  return el("div", { class: "view overview", id: "overview" },
    el("div", { class: "tiles" },
      tile(count(verdicts.fail), verdicts.fail === 1 ? "check failed" : "checks failed", verdicts.fail ? "fail" : "", "#findings?state=fail"),
      tile(count(states.unsure), states.unsure === 1 ? "answer unsure" : "answers unsure", states.unsure ? "unsure" : "", "#findings?state=unsure"),
      tile(count(verdicts.pass), verdicts.pass === 1 ? "check passed" : "checks passed", verdicts.pass ? "pass" : "", "#findings?state=pass"),
      found.answers.some((row) => row.grounding) ? tile(count(contradicted), "contradicted by the page", contradicted ? "fail" : "",
        "#findings?grounding=contradicted") : null,
      absent ? tile(count(absent), "not on the page", "fail", "#findings?grounding=absent") : null,
      tile(`${count(read)} of ${count(objects)}`, "objects read whole", "", "#assets"),
      tile(share(seenShare), "of pages and frames seen"),
      human ? tile(count(human), "reviewed by a person", "", "#findings?mark=human") : null),
    el("div", { class: "cards" },
      checks.length ? card("Checks", "wide", byQuestion(checks), bySeverity(checks)) : null,
      others.length ? card("Questions", "wide", byQuestion(others)) : null,
      found.failures.length ? card("What failed", "wide", failureTable(found.failures)) : null,
      card("Objects", "", objectTable(found.assets)),
      found.reviews.length ? card("Reviewed by a person", "", reviewTable(found.reviews)) : null,
      card("Runs", "", runTable(found.runs)),
      card("Which engine spoke, and what it cost", "wide", costTable(found.requests), transcriptTable(found.transcripts)),
      card("This report", "wide", aboutReport())));
}

function card(title, kind, ...children) {
  return el("section", { class: `card ${kind}` }, el("h2", {}, title), ...children);
}

function byQuestion(rows) {
  const known = new Map(report.questions.map((question) => [question.id, question]));
  const ids = [...known.keys(), ...rows.map((row) => row.question)];
  const own = [...new Set(ids)].map((id) => [id, rows.filter((row) => row.question === id)]).filter(([, all]) => all.length);
  return el("ul", { class: "questions" }, own.map(([id, all]) => el("li", {},
    el("div", {}, said(known.get(id)?.ask ?? id), el("span", { class: "faint" }, " ", said(id),
      known.get(id)?.expect === undefined ? "" : [" · ", all[0].severity, " · expected ", said(known.get(id).expect)])),
    shares(countsOf(all), { question: id }))));
}

function bySeverity(checks) {
  return table("Verdicts by severity", ["Severity", "Fail", "Unsure", "Pass", "Not applicable"],
    ["high", "medium", "low"].map((severity) => [severity, countsOf(checks.filter((row) => row.severity === severity))])
      .filter(([, counts]) => Object.values(counts).some(Boolean))
      .map(([severity, counts]) => [severity, ...["fail", "unsure", "pass", "not_applicable"].map((state) => count(counts[state]))]));
}

function objectTable(rows) {
  const missing = sum(rows, "missing");
  return [table("Objects by kind", ["Kind", "Status", "Objects", "Pages, frames", "Lost", "Size"], rows.map((row) => [
    row.kind + (row.seconds ? ` (${lasting(row.seconds)})` : ""), badge(row.status), count(row.count), count(row.units),
    count(row.units_failed), size(row.bytes ?? 0)])),
  missing ? el("p", { class: "faint" }, `${count(missing, "object")} no longer among the inputs.`) : null];
}

function failureTable(rows) {
  return table("Failures by reason", ["Reason", "Times", "Objects", "May pass later", "For example"], rows.map((row) => [
    `${row.phase}: ${row.category}`, count(row.count), count(row.assets), row.retryable ? "yes" : "no",
    el("div", {}, said(shortName(row.asset)), el("div", { class: "faint" }, said(row.message)))]));
}

function reviewTable(rows) {
  return table("Reviews by question", ["Question", "Reviewed", "Engine answered", "Right"], rows.map((row) => [
    said(row.question), count(row.reviewed), count(row.answered),
    row.answered ? `${count(row.right)} (${share(row.right / row.answered)})` : "–"]));
}

function costTable(rows) {
  return table("Cost by engine", ["Engine", "Requests", "Pictures", "Tokens in", "Tokens out", "Drawing", "Asking", "Asked again"],
    rows.map((row) => [said(row.engine), count(row.count), count(row.images), count(row.input_tokens),
      row.output_tokens === undefined ? "–" : count(row.output_tokens), lasting(row.render_seconds),
      lasting(row.ask_seconds), count(row.climbed)]));
}

function transcriptTable(rows) {
  if (!rows.length) return null;
  return table("Transcripts by source", ["Transcripts from", "Pages, frames", "Confidence", "Against the page", "Differing"],
    rows.map((row) => [`${row.source.replace("_", " ")} (${row.engine})`, count(row.count),
      row.confidence === undefined ? "–" : row.confidence.toFixed(2), row.grounding?.replace("_", " ") ?? "–",
      count(row.differing)]));
}

function runTable(rows) {
  return table("Runs", ["Begun", "Took", "Ended", "Objects", "Failures", "Canvass"], rows.map((row) => [
    moment(row.started_at), lasting((new Date(row.finished_at) - new Date(row.started_at)) / 1000), row.status,
    count(row.assets), count(row.failures), JSON.parse(row.versions)["canvass-audit"] ?? "–"]));
}

function aboutReport() {
  const answers = sum(report.overview.answers, "count");
  const objects = sum(report.overview.assets, "count");
  const left = report.held === null ? 0 : report.pictures - report.held;
  return el("dl", { class: "facts" },
    el("dt", {}, "Made"), el("dd", {}, moment(report.made_at)),
    el("dt", {}, "Tables"), el("dd", {}, said(report.output)),
    el("dt", {}, "Lists"), el("dd", {}, answers > report.findings.length
      ? `the ${count(report.findings.length)} worst of ${count(answers)} answers; the tables hold all` : `all ${count(answers)} answers`,
    objects > report.assets.length ? `; ${count(report.assets.length)} of ${count(objects)} objects` : ""),
    el("dt", {}, "Pictures"), el("dd", {}, report.held === null ? `${count(report.pictures)}, read from the output`
      : left === 0 ? `all ${count(report.pictures)} that were kept`
        : `${count(report.held)} of ${count(report.pictures)}: ${count(left)} were left out to keep the file small, those of`
          + " scenes first, then those of the least severe and surest answers. `canvass report --serve` shows all."),
    el("dt", {}, "Keys"), el("dd", {}, el("kbd", {}, "/"), " filter · ", el("kbd", {}, "↑"), " ", el("kbd", {}, "↓"),
      " walk · ", el("kbd", {}, "Enter"), " open · ", el("kbd", {}, "Esc"), " close"));
}
