// The report's data: unpacked from the page when it is needed.

let report;

const parsed = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve, { once: true });
  else resolve();
});

async function unpack(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const unpacked = new Map();

/** The details of one of `findings` or `assets` by its place in the list. */
async function detailsOf(name, place) {
  const id = `${name}-${Math.floor(place / report.per_chunk)}`;
  if (!unpacked.has(id)) unpacked.set(id, unpack(id));
  return (await unpacked.get(id))[place % report.per_chunk];
}

/** What an `img` shows a picture by; null where it was left out of this report. */
async function pictureSource(place) {
  if (report.held === null) return `picture/${place}`;
  if (place >= report.held) return null;
  await parsed;
  return "data:image/jpeg;base64," + document.getElementById(`picture-${place}`).textContent;
}

/** Takes up the index: assets and findings know their place, findings their asset and question. */
async function loadReport() {
  report = await unpack("index");
  const questions = new Map(report.questions.map((question) => [question.id, question]));
  report.assets.forEach((asset, place) => Object.assign(asset, { place, name: shortName(asset.asset), findings: [] }));
  report.findings.forEach((finding, place) => {
    finding.place = place;
    finding.asset = report.assets[finding.asset];
    finding.asset.findings.push(finding);
    finding.asked = questions.get(finding.question) ?? { id: finding.question, ask: finding.question };
  });
  report.failures.forEach((failure, place) => Object.assign(failure, { place, asset: report.assets[failure.asset] }));
}
