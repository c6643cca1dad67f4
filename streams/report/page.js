"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const sources = JSON.parse(document.getElementById("sources").textContent);
  const root = document.documentElement;
  const drawn = new Map();

  const theme = () => {
    const style = getComputedStyle(root), own = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: own("--line"), linecolor: own("--line"), zerolinecolor: own("--line"), automargin: true, title: { standoff: 12 } };
    return { layout: {
      paper_bgcolor: own("--paper"), plot_bgcolor: own("--paper"), font: { color: own("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily },
      xaxis: axis, yaxis: axis, hoverlabel: { bgcolor: own("--panel"), bordercolor: own("--line"), font: { color: own("--ink") } }, title: { font: { size: 13 } },
    } };
  };
  const draw = (place, figure) => {
    drawn.set(place, figure);
    Plotly.react(place, figure.data, { ...figure.layout, template: theme() }, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "toImage"] });
  };
  const paint = (name) => {
    root.dataset.theme = name;
    drawn.forEach((figure, place) => draw(place, figure));
  };

  root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.getElementById("theme").addEventListener("click", () => paint(root.dataset.theme === "dark" ? "light" : "dark"));
  document.querySelectorAll("[data-chart]").forEach((place) => draw(place, charts[place.dataset.chart]));

  const price = document.getElementById("price");
  const buttons = [...document.querySelectorAll("[data-symbol]")];
  const showSymbol = (name) => {
    buttons.forEach((one) => one.classList.toggle("chosen", one.dataset.symbol === name));
    document.getElementById("source").textContent = sources[name];
    draw(price, charts.prices[name]);
  };
  buttons.forEach((one) => one.addEventListener("click", () => showSymbol(one.dataset.symbol)));
  if (buttons.length) showSymbol(buttons[0].dataset.symbol);

  const trade = document.getElementById("trade");
  const rows = [...document.querySelectorAll("tr[data-place]")];
  const showTrade = (row) => {
    const figure = charts.trades[row.dataset.place];
    if (!figure) return;
    rows.forEach((one) => one.classList.toggle("chosen", one === row));
    draw(trade, figure);
  };
  rows.forEach((row) => row.addEventListener("click", () => { showTrade(row); trade.scrollIntoView({ block: "nearest" }); }));
  const first = rows.find((row) => charts.trades[row.dataset.place]);
  if (first) showTrade(first);

  const key = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.sort ?? cell.textContent, number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const compared = (a, b) => typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b)) : typeof a === "number" ? 1 : -1;
  document.querySelectorAll("table").forEach((table) => {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      if ([...body.rows].some((row) => row.cells[column].classList.contains("num"))) header.classList.add("num");
      if (!table.classList.contains("sortable")) return;
      header.addEventListener("click", () => {
        const way = header.dataset.way === "up" ? "down" : "up";
        [...header.parentNode.cells].forEach((one) => delete one.dataset.way);
        header.dataset.way = way;
        const sorted = [...body.rows].sort((a, b) => compared(key(a, column), key(b, column)) * (way === "up" ? 1 : -1));
        body.append(...sorted);
      });
    });
  });
})();
