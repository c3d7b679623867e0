// A list of any length, of which only the rows in sight exist, walked by keyboard, sorted by its heads.

const SPARE = 6; // rows drawn above and below those in sight
const COMPARE = new Intl.Collator("en", { numeric: true }).compare;

/**
 * `columns` have an id, a title, `cell(item)`, and `key(item)` if one can sort by them; `choose(item)` is told where the
 * list is walked to, and `open(item)` what is clicked or entered.
 */
function makeList({ id, label, columns, choose, open, empty }) {
  let items = [];
  let ordered = [];
  let order = { column: null, falling: false };
  let current = null;
  let drawn = "";
  const heads = columns.map((column) => el("div", { class: `cell ${column.id}`, role: "columnheader" },
    column.key ? el("button", { type: "button", class: "sort", onclick: () => sortBy(column) }, column.title)
      : column.title));
  const rows = el("div", { class: "rows", role: "rowgroup" });
  const none = el("p", { class: "none", hidden: "" }, empty);
  const grid = el("div", {
    class: `grid ${id}`, role: "grid", tabindex: "0", "aria-label": label, onscroll: () => requestAnimationFrame(draw),
    onkeydown: walk,
  }, el("div", { role: "rowgroup", class: "heads" }, el("div", { class: "row head", role: "row" }, heads)), rows, none);
  rows.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) {
      grid.focus({ preventScroll: true });
      select(ordered[Number(row.dataset.place)]);
      open(current);
    }
  });
  new ResizeObserver(() => draw()).observe(grid);

  function height() {
    return parseFloat(getComputedStyle(grid).getPropertyValue("--row"));
  }

  function draw() {
    const tall = height();
    const first = Math.max(0, Math.floor(grid.scrollTop / tall) - SPARE);
    const last = Math.min(ordered.length, Math.ceil((grid.scrollTop + grid.clientHeight) / tall) + SPARE);
    const now = `${first} ${last} ${tall}`;
    if (now === drawn) return;
    drawn = now;
    rows.style.height = `${ordered.length * tall}px`;
    rows.replaceChildren(...ordered.slice(first, last).map((item, offset) => rowOf(item, first + offset, tall)));
    if (current) grid.setAttribute("aria-activedescendant", `${id}-row-${current.place}`);
    else grid.removeAttribute("aria-activedescendant");
  }

  function rowOf(item, place, tall) {
    const row = el("div", {
      class: "row", role: "row", id: `${id}-row-${item.place}`, "data-place": place, "aria-rowindex": place + 2,
      "aria-selected": String(item === current),
    }, columns.map((column) => el("div", { class: `cell ${column.id}`, role: "gridcell" }, column.cell(item))));
    row.style.top = `${place * tall}px`;
    return row;
  }

  function redraw() {
    drawn = "";
    draw();
  }

  function arrange() {
    ordered = items;
    if (order.column) {
      const keyed = items.map((item) => [order.column.key(item), item]);
      const sign = order.falling ? -1 : 1;
      keyed.sort(([a], [b]) => (a === undefined ? (b === undefined ? 0 : 1) : b === undefined ? -1
        : sign * (typeof a === "number" ? a - b : COMPARE(a, b))));
      ordered = keyed.map(([, item]) => item);
    }
    grid.setAttribute("aria-rowcount", ordered.length + 1);
    none.hidden = ordered.length > 0;
    redraw();
  }

  /** Rising, falling, and back to the list's own order. */
  function sortBy(column) {
    if (order.column !== column) order = { column, falling: false };
    else order = order.falling ? { column: null, falling: false } : { column, falling: true };
    heads.forEach((head, place) => {
      if (columns[place] !== order.column) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", order.falling ? "descending" : "ascending");
    });
    grid.scrollTop = 0;
    arrange();
  }

  function show(newItems) {
    items = newItems;
    grid.scrollTop = 0;
    if (!items.includes(current)) current = null;
    arrange();
  }

  function select(item) {
    current = item;
    const place = ordered.indexOf(item);
    if (place >= 0) {
      const [tall, head] = [height(), rows.offsetTop];
      const [top, bottom] = [place * tall, (place + 1) * tall + head];
      if (top < grid.scrollTop) grid.scrollTop = top;
      else if (bottom > grid.scrollTop + grid.clientHeight) grid.scrollTop = bottom - grid.clientHeight;
    }
    redraw();
  }

  /** The item so many rows on, or the last or first there is. */
  function neighbour(steps) {
    const place = (current ? ordered.indexOf(current) : -1) + steps;
    return ordered[Math.max(0, Math.min(ordered.length - 1, place))];
  }

  function walk(event) {
    if (event.target !== grid || event.altKey || event.ctrlKey || event.metaKey) return;
    const leap = Math.max(1, Math.floor(grid.clientHeight / height()) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: leap, PageUp: -leap, Home: -Infinity,
      End: Infinity }[event.key];
    if (steps !== undefined && ordered.length) {
      select(neighbour(steps));
      choose(current);
    } else if (event.key === "Enter" && current) open(current);
    else return;
    event.preventDefault();
  }

  return { element: grid, show, select, neighbour, current: () => current, focus: () => grid.focus() };
}

/** A list with its filters above it, and beside it what is opened of it. */
function makeSplit({ name, filters, listOf, detail }) {
  const pane = el("aside", { class: "pane", tabindex: "-1", hidden: "", "aria-label": "Details" });
  const list = listOf({ open, choose: (item) => pane.hidden || open(item, false) });
  const view = el("div", { class: `view split ${name}`, id: name }, filters,
    el("div", { class: "halves" }, list.element, pane));
  let shown = null;

  async function open(item, focus = true) {
    const address = `#${name}/${item.place}`;
    if (location.hash !== address) history[pane.hidden ? "pushState" : "replaceState"](null, "", address);
    shown = item;
    const content = await detail(item, { close, go: (steps) => { list.select(list.neighbour(steps));
      open(list.current(), false); } });
    if (shown !== item) return; // another was opened meanwhile
    pane.replaceChildren(...present(content));
    pane.hidden = false;
    pane.scrollTop = 0;
    list.select(item);
    if (focus && getComputedStyle(pane).position === "fixed") pane.focus();
  }

  function close() {
    if (pane.hidden) return;
    shown = null;
    pane.hidden = true;
    pane.replaceChildren();
    history.replaceState(null, "", `#${name}`);
    list.select(list.current());
    list.focus();
  }

  return { view, list, open, close };
}
