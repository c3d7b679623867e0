// One finding: the answer, what it rests on, how it was come to, and what a person said.

const SOURCES = {
  rule: "by rule: a value of the asked type beside its printed key",
  ocr: "how surely the words were read",
  label_probability: "the model's probability of this label among its labels",
  min_token_probability: "the model's probability of its least sure token",
  min_word_probability: "the model's probability of its least sure word",
};

function valueOf(answer, type) {
  if (answer.value === undefined) return el("span", { class: "no-value" }, "No answer");
  if (["list", "schema"].includes(type)) {
    try {
      return el("pre", {}, visible(JSON.stringify(JSON.parse(answer.value), null, 2)));
    } catch { /* shown as it stands */ }
  }
  return said(answer.currency ? `${answer.value} ${answer.currency}` : answer.value);
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function paneHead(title, { close, go }) {
  return el("div", { class: "pane-head" }, title,
    el("button", { type: "button", class: "quiet", "aria-label": "Previous", title: "Previous", onclick: () => go(-1) }, "↑"),
    el("button", { type: "button", class: "quiet", "aria-label": "Next", title: "Next", onclick: () => go(1) }, "↓"),
    el("button", { type: "button", class: "quiet close", "aria-label": "Close", title: "Close (Esc)", onclick: close }, "✕"));
}

async function findingDetail(finding, moves) {
  const [own, asset] = await Promise.all([detailsOf("findings", finding.place), detailsOf("assets", finding.asset.place)]);
  const question = finding.asked;
  const evidence = own.evidence.map((piece, place) => ({ ...piece, sign: String(place + 1) }));
  const frames = own.events.flatMap((event) => event.evidence);
  const parts = own.parts.flatMap((part) => [...(part.evidence ?? []),
    part.page !== undefined && part.picture !== undefined ? { page: part.page, picture: part.picture } : {}]);
  const units = unitsOf([...evidence, ...(question.type === "event" ? frames : []), ...parts]);
  const pages = units.length ? gallery(units, asset.transcripts ?? []) : null;
  return [
    paneHead(el("div", { class: "labels" }, badge(stateOf(finding)),
      finding.verdict === undefined ? null : el("span", { class: "tag" }, `${finding.severity} severity`),
      finding.human ? el("span", { class: "tag human" }, "reviewed by a person") : null,
      finding.differ ? el("span", { class: "tag differ" }, "parts differ") : null), moves),
    el("h2", {}, said(question.ask)),
    el("div", { class: `answer ${stateOf(finding)}` }, el("div", { class: "value" }, valueOf(finding, question.type)),
      own.events.length ? el("div", { class: "expected" }, own.events.slice(0, 3).map(span).join(", "),
        own.events_in_all > 3 ? ` and ${count(own.events_in_all - 3, "more time")}` : "") : null,
      question.expect === undefined ? null : el("div", { class: "expected" }, "expected ", said(question.expect))),
    own.review ? review(own.review, finding, question) : null,
    facts([
      ["Object", el("a", { href: `#assets/${finding.asset.place}` }, said(finding.asset.name))],
      ["Confidence", finding.confidence === undefined ? "none given" : [meter(finding.confidence), " ",
        el("span", { class: "faint" }, SOURCES[finding.confidence_source] ?? finding.confidence_source ?? "")]],
      ["On the page", finding.grounding === undefined ? null : [`${finding.grounding.replace("_", " ")}: ${GROUNDED[finding.grounding]
        ?? ""}`, own.grounding_source ? el("span", { class: "faint" }, ` (by its ${own.grounding_source.replace("_", " ")})`) : null]],
      ["Reason", finding.reason === undefined ? null : said(finding.reason)],
      ["Seen", own.coverage === undefined || own.coverage === 1 ? null : `${share(own.coverage)} of the object`],
      ["Engine", own.engine ? said(own.engine) : null],
      ["Asked if", question.only_if ? said(question.only_if) : null],
    ]),
    own.probabilities?.length ? section("Probabilities", labels(own.probabilities)) : null,
    section("Evidence", evidence.length ? el("ol", { class: "evidence" }, evidence.map((piece) => quoted(piece, pages)))
      : el("p", { class: "faint" }, "Nothing was found that bears on it.")),
    question.type === "event" && own.events.length ? section(`Seen ${count(own.events_in_all, "time")}`,
      timeline(finding.asset, asset, finding.question), eventList(own.events, own.events_in_all, pages)) : null,
    pages ? section("Pages and frames", pages.element) : null,
    own.parts.length > 1 ? section(finding.differ ? "Its parts differ" : "Its parts", partTable(own, pages)) : null,
    ladder(own.parts),
  ];
}

/** A quote with its cut-out, a way to its page. */
function quoted(piece, pages) {
  return el("li", {}, crop(piece), el("div", { class: "words" }, el("span", { class: "sign" }, piece.sign),
    piece.quote ? el("blockquote", {}, said(piece.quote)) : el("span", {}),
    where(piece) ? el("button", { type: "button", class: "link", onclick: () => {
      pages.show(where(piece));
      pages.element.scrollIntoView({ block: "nearest" });
    } }, where(piece), piece.end_s === undefined ? "" : ` – ${clock(piece.end_s)}`) : null));
}

function review(own, finding, question) {
  const engine = { value: own.engine_value, currency: own.engine_currency };
  const agrees = engine.value === finding.value && engine.currency === finding.currency;
  return el("section", { class: "review" }, el("h3", {}, agrees ? "A person agrees" : "A person says otherwise"),
    el("div", { class: "sides" },
      el("div", {}, el("span", { class: "faint" }, "Person"), el("div", { class: "value" }, valueOf(finding, question.type))),
      el("div", {}, el("span", { class: "faint" }, "Engine"), el("div", { class: "value" }, valueOf(engine, question.type)),
        own.engine_verdict ? badge(own.engine_verdict) : null,
        own.engine_confidence === undefined ? null : meter(own.engine_confidence))),
    own.note ? el("blockquote", {}, said(own.note)) : null,
    own.reviewer || own.reviewed_at ? el("p", { class: "faint" }, said(own.reviewer ?? "a person"), `, ${moment(own.reviewed_at)}`) : null);
}

function labels(probabilities) {
  return el("ul", { class: "labels-list" }, [...probabilities].sort((a, b) => b.probability - a.probability)
    .map((each) => el("li", {}, said(each.label), meter(each.probability))));
}

function eventList(events, all, pages) {
  return [el("ol", { class: "events" }, events.map((event) => el("li", {},
    el("button", { type: "button", class: "link", onclick: () => event.evidence.length && pages.show(where(event.evidence[0])) },
      span(event)), meter(event.confidence)))),
  all > events.length ? el("p", { class: "faint" }, `The first ${count(events.length)} of ${count(all)}.`) : null];
}

/** Where a part stands: its page, the pages it was asked about together, or the samples of a window. */
function partPlace(part) {
  const numbers = part.chunk_id?.match(/([pt])(\d+)-(\d+)$/);
  if (part.page !== undefined || !numbers) return where(part) || part.chunk_id;
  const [, kind, first, last] = numbers;
  const range = first === last ? first : `${first}–${last}`;
  return kind === "p" ? `Page${first === last ? "" : "s"} ${range}` : `Samples ${range}`;
}

function partTable(own, pages) {
  return [table("Parts", ["Where", "Answer", "Verdict", "Confidence", "Why"], own.parts.map((part) => [
    part.picture !== undefined || part.evidence?.length ? el("button", { type: "button", class: "link", onclick: () =>
      pages?.show(where(part.picture !== undefined ? part : part.evidence[0])) }, partPlace(part)) : partPlace(part),
    valueOf(part), badge(stateOf(part)), meter(part.confidence), said(part.reason ?? "")])),
  own.parts_in_all > own.parts.length
    ? el("p", { class: "faint" }, `The first ${count(own.parts.length)} of ${count(own.parts_in_all)}.`) : null];
}

/** The rungs that were climbed where an answer was in doubt. */
function ladder(parts) {
  const climbed = parts.filter((part) => part.rungs?.length);
  return climbed.length === 0 ? null : section("Asked again", el("ul", { class: "ladder" }, climbed.map((part) => el("li", {},
    el("span", {}, partPlace(part)), el("ol", { class: "rungs" }, part.rungs.map((rung) => el("li", {}, said(rung))),
      el("li", { class: "faint" }, `settled at ${count(part.budget)} tokens a picture`))))));
}
