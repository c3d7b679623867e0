// Starts the page: its views, the way between them, and the keys that work everywhere.

async function start() {
  await loadReport();
  document.title = `${report.job} · Canvass report`;
  document.getElementById("job").replaceWith(said(report.job, { id: "job" }));
  const views = { overview: { view: overviewOf() }, findings: findingsView(), assets: assetsView(), failures: failuresView() };
  const titles = { overview: ["Overview"], findings: ["Findings", report.findings.length],
    assets: ["Objects", report.assets.length], failures: ["Failures", report.failures.length] };
  const links = new Map(Object.entries(titles).map(([name, [title, number]]) => [name, el("a", { href: `#${name}` }, title,
    number === undefined ? null : el("span", { class: "tally" }, count(number)))]));
  document.getElementById("views").append(...links.values());
  document.getElementById("main").replaceChildren(...Object.values(views).map(({ view }) => view));
  document.getElementById("theme").addEventListener("click", switchTheme);
  window.addEventListener("popstate", route);
  document.addEventListener("keydown", (event) => keys(event, views[shownName()]));

  function shownName() {
    const name = location.hash.slice(1).split(/[/?]/)[0];
    return Object.hasOwn(views, name) ? name : "overview";
  }

  /** Shows what the address names: `#findings`, one of them as `#findings/12`, some as `#findings?state=fail`. */
  function route() {
    const name = shownName();
    for (const [each, { view }] of Object.entries(views)) {
      view.hidden = each !== name;
      if (each === name) links.get(each).setAttribute("aria-current", "page");
      else links.get(each).removeAttribute("aria-current");
    }
    const [path, query] = location.hash.split("?");
    const item = views[name].items?.[Number(path.split("/")[1] ?? NaN)];
    if (query !== undefined) {
      views[name].close();
      views[name].fill(new URLSearchParams(query));
      history.replaceState(null, "", `#${name}`);
    } else if (item) views[name].open(item);
    else if (views[name].close) views[name].close();
    if (views[name].list && !item) views[name].list.focus();
  }

  route();
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

function keys(event, view) {
  if (document.querySelector("dialog[open]") || event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.target.matches("input, select, textarea");
  const search = view.view.querySelector("input[type=search]");
  if (event.key === "/" && !typing && search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && view.close) {
    if (event.target === search && search.value) return; // the browser empties it
    if (typing) view.list.focus();
    else view.close();
  } else if (event.key === "ArrowDown" && event.target === search) {
    event.preventDefault();
    view.list.focus();
  }
}

start().catch((error) => {
  const wait = document.getElementById("wait");
  if (wait) wait.textContent = `This browser cannot unpack the report (${error.message}): one of 2024 or later can.`;
  throw error;
});
