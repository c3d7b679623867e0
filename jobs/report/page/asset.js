// One object: how it was read, what was found in it, what happens in it when.

const SHOWN_TEXTS = 60;

async function assetDetail(asset, moves) {
  const own = await detailsOf("assets", asset.place);
  const cost = own.cost?.[0];
  return [
    paneHead(el("div", { class: "labels" }, badge(asset.status), el("span", { class: "tag" }, asset.media_type ?? asset.kind),
      asset.missing_since ? el("span", { class: "tag differ" }, "no longer among the inputs") : null,
      asset.repaired ? el("span", { class: "tag differ" }, "read after a repair") : null), moves),
    el("h2", {}, said(asset.name)),
    facts([
      ["Address", said(asset.asset)],
      ["Reason", asset.reason === undefined ? null : said(asset.reason)],
      ["Seen", asset.units === undefined ? null : `${share(asset.coverage)} of ${count(asset.units, asset.kind === "video" ? "frame" : "page")}`
        + (asset.units_failed ? `, ${count(asset.units_failed)} lost` : "")],
      ["Length", asset.duration_s === undefined ? null : clock(asset.duration_s)],
      ["Size", size(asset.bytes)],
      ["Read", moment(asset.finished_at)],
      ["Cost", cost && [`${count(cost.requests, "request")}, ${count(cost.images, "picture")}, ${count(cost.input_tokens)} tokens in, `,
        cost.output_tokens === undefined ? "" : `${count(cost.output_tokens)} out, `,
        `${lasting(cost.render_seconds + cost.ask_seconds)} by `, said(cost.engines.join(", "))]],
    ]),
    asset.kind === "video" ? section("What happens when", timeline(asset, own), filmstrip(own)) : null,
    asset.findings.length ? section("Findings", el("ul", { class: "own-findings" }, asset.findings.map((finding) => el("li", {},
      el("a", { href: `#findings/${finding.place}` }, badge(stateOf(finding)), el("span", {}, said(finding.asked.ask)),
        el("strong", {}, valueOf(finding))))))) : null,
    own.failures?.length ? section("What failed", el("ul", { class: "failed" }, own.failures.map((failure) => el("li", {},
      el("strong", {}, `${where(failure) || "The object"} · ${failure.phase}: ${failure.category}`),
      el("p", {}, said(failure.message)))))) : null,
    own.transcripts?.length ? section("Doubtful transcripts", gallery(unitsOf(own.transcripts), own.transcripts).element) : null,
    own.cut ? el("p", { class: "faint" }, `Only the first are shown of ${Object.entries(own.cut).map(([name, all]) =>
      `${count(all)} ${name.replace("_", " ")}`).join(" and ")}; the tables hold all.`) : null,
    own.screen_texts?.length ? section("Text on screen", screenTexts(own.screen_texts)) : null,
  ];
}

function screenTexts(texts) {
  const list = (most) => table("Text on screen", ["From", "To", "Text", "Confidence"], texts.slice(0, most).map((each) =>
    [clock(each.first_s), clock(each.last_s), said(each.text), meter(each.confidence)]));
  const holder = el("div", {}, list(SHOWN_TEXTS));
  if (texts.length > SHOWN_TEXTS) {
    holder.append(el("button", { type: "button", onclick: () => holder.replaceChildren(list(Infinity)) },
      `Show all ${count(texts.length)}`));
  }
  return holder;
}
