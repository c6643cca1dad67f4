// The operator's page: draws each document that the server sends, and asks for commands in two steps.
"use strict";

const at = (id) => document.getElementById(id);
const opened = new Set();
let shown = null;
let ticket = null;
let countdown = null;

// Every text goes in as text: nothing that stands on the log can be markup.
function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function number(value, places) {
  if (value === null || value === undefined) return "–";
  return Number(value).toLocaleString("en-US", { minimumFractionDigits: places ?? 0, maximumFractionDigits: places ?? 8 });
}

const money = (value) => number(value, 2);
const signed = (value) => (Number(value) > 0 ? "+" : "") + money(value);
const percent = (value) => (value === null ? "–" : number(100 * Number(value), 2) + " %");
const tone = (value) => (Number(value) > 0 ? "up" : Number(value) < 0 ? "down" : "");
const clock = (time) => (time > 0 ? new Date(time / 1000).toISOString().slice(11, 19) : "–");

function price(value) {
  if (value === null) return "–";
  const size = Math.abs(Number(value));
  return number(value, size >= 1000 ? 2 : size >= 1 ? 4 : 6);
}

function rows(id, items, cells, empty) {
  const body = at(id).tBodies[0];
  const made = items.map((item) => {
    const row = make("tr");
    for (const [text, kind] of cells(item)) row.append(make("td", text, kind));
    return row;
  });
  if (!made.length) {
    const cell = make("td", empty, "empty");
    cell.colSpan = 20;
    const row = make("tr");
    row.append(cell);
    made.push(row);
  }
  body.replaceChildren(...made);
}

function figures(view) {
  const sum = (name) => view.accounts.reduce((total, one) => total + Number(one[name]), 0);
  const equity = Number(view.equity);
  const worst = view.accounts.reduce((most, one) => Math.max(most, Number(one.drawdown)), 0);
  const modes = [...new Set(view.accounts.map((one) => one.mode))];
  const list = [
    ["equity", money(equity), ""], ["today", signed(sum("daily_pnl")), tone(sum("daily_pnl"))],
    ["unrealized", signed(sum("unrealized_pnl")), tone(sum("unrealized_pnl"))], ["drawdown", percent(worst), ""],
    ["exposure", equity > 0 ? percent(sum("exposure") / equity) : "–", ""],
    ["approved / refused", `${view.counts.approved} / ${view.counts.refused}`, ""],
    ["mode", modes.join(", ").replaceAll("_", " ").toLowerCase() || "–", modes.every((mode) => mode === "RUNNING") ? "" : "warn"],
  ];
  at("figures").replaceChildren(...list.map(([name, value, kind]) => {
    const group = make("div");
    group.append(make("dt", name), make("dd", value, kind));
    return group;
  }));
  const halted = view.accounts.filter((one) => one.mode !== "RUNNING");
  at("banner").hidden = !halted.length;
  at("banner").textContent = halted.map((one) => `${one.account}: ${one.mode.replaceAll("_", " ").toLowerCase()}`).join("; ");
}

function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

function curve(points) {
  const place = at("curve");
  if (points.length < 2) {
    place.replaceChildren(make("p", "no equity told yet", "quiet"));
    return;
  }
  const width = Math.max(place.clientWidth, 300), height = 220, left = 84, right = 10, top = 10, bottom = 24;
  const times = points.map((one) => one[0]), values = points.map((one) => Number(one[1]));
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { low -= 1; high += 1; }
  const x = (time) => left + (width - left - right) * (time - times[0]) / Math.max(times.at(-1) - times[0], 1);
  const y = (value) => top + (height - top - bottom) * (high - value) / (high - low);
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `equity from ${money(values[0])} to ${money(values.at(-1))}` });
  for (let step = 0; step <= 3; step += 1) {
    const value = low + (high - low) * step / 3;
    drawn.append(svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    drawn.append(svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, money(value)));
  }
  drawn.append(svg("text", { x: left, y: height - 6 }, clock(times[0])));
  drawn.append(svg("text", { x: width - right, y: height - 6, "text-anchor": "end" }, clock(times.at(-1)) + " UTC"));
  // Equity holds until it is told anew: a step, no slope.
  const path = points.map((one, index) => (index ? `H${x(times[index]).toFixed(1)}V` : `M${x(times[0]).toFixed(1)} `) + y(values[index]).toFixed(1)).join("");
  drawn.append(svg("path", { d: path }));
  place.replaceChildren(drawn);
}

function checks(order) {
  const list = make("ol");
  for (const one of order.checks) {
    const limits = one.measured === undefined || one.measured === null ? "" : ` ${number(one.measured)}` + (one.limit === undefined || one.limit === null ? "" : ` of ${number(one.limit)}`);
    list.append(make("li", `${one.passed ? "✓" : "✗"} ${one.code ?? one.check}${limits}`, one.passed ? "quiet" : "down"));
  }
  if (!order.checks.length) list.append(make("li", "no check applies", "quiet"));
  return list;
}

function decisions(list) {
  const body = at("decisions").tBodies[0];
  const focused = document.activeElement?.dataset?.order;
  const made = [];
  for (const one of list) {
    const row = make("tr", null, "opens");
    row.tabIndex = 0;
    row.dataset.order = one.id;
    row.setAttribute("aria-expanded", opened.has(one.id));
    const limits = one.measured === null ? "" : ` (${number(one.measured)}${one.limit === null ? "" : " against " + number(one.limit)})`;
    const outcome = one.approved ? ["approved", "up wrap"] : [`refused ${one.code}${limits}`, "down wrap"];
    const cells = [[clock(one.time)], [one.symbol], [one.side, one.side === "BUY" ? "up" : "down"], [one.purpose.replaceAll("_", " ").toLowerCase()],
      [number(one.approved ? one.quantity : one.requested)], outcome];
    for (const [text, kind] of cells) row.append(make("td", text, kind));
    made.push(row);
    if (opened.has(one.id)) {
      const more = make("tr");
      const cell = make("td", null, "checks");
      cell.colSpan = 6;
      cell.append(checks(one));
      more.append(cell);
      made.push(more);
    }
  }
  if (made.length) body.replaceChildren(...made);
  else rows("decisions", [], () => [], "no decision yet");
  if (focused) body.querySelector(`[data-order="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function toggle(event) {
  const row = event.target.closest("tr.opens");
  if (!row || (event.type === "keydown" && event.key !== "Enter")) return;
  if (!opened.delete(row.dataset.order)) opened.add(row.dataset.order);
  decisions(shown.decisions);
}

function draw(view) {
  shown = view;
  document.title = `${view.session} · cdb operator`;
  at("session").textContent = view.session;
  at("clock").textContent = `${clock(view.market_time)} UTC market time, ${number(view.records)} records`;
  at("command").disabled = !view.writes;
  at("command").title = view.writes ? "" : "this page only reads: it was started without a token";
  figures(view);
  curve(view.curve);
  rows("stages", view.stages, (one) => [[one.task], [one.lag_seconds === null ? "–" : `${number(one.lag_seconds, 2)} s`, one.lag_seconds > 2 ? "warn" : ""]], "no stage has begun");
  rows("prices", view.prices, (one) => [[one.symbol], [price(one.mark)], [price(one.bid)], [price(one.ask)], [one.flags.join(", ") || "ok", one.flags.length ? "warn" : "quiet"]], "no price yet");
  rows("positions", view.positions, (one) => [[one.symbol], [one.account], [one.strategy], [number(one.quantity), tone(one.quantity)], [price(one.entry)], [price(one.mark)], [price(one.stop)], [signed(one.unrealized_pnl), tone(one.unrealized_pnl)]], "nothing is held");
  decisions(view.decisions);
  rows("fills", view.fills.slice(0, 14), (one) => [[clock(one.time)], [one.symbol], [one.side, one.side === "BUY" ? "up" : "down"], [number(one.quantity)], [price(one.price)], [one.reason ? `${one.status} ${one.reason}` : one.status, "wrap"]], "no fill yet");
  rows("alerts", view.alerts.slice(0, 14), (one) => [[clock(one.time)], [one.level, one.level === "INFO" ? "quiet" : "warn"], [`${one.account}: ${one.message}`, "wrap"]], "no alert");
}

function choose(select, all, names) {
  select.replaceChildren(new Option(all[0], all[1]), ...names.map((name) => new Option(name, name)));
}

function step(name) {
  for (const part of ["ask", "review", "outcome"]) at(part).hidden = part !== name;
}

function open() {
  choose(at("ask").elements.account, ["every account", "*"], shown.accounts_known);
  choose(at("ask").elements.symbol, ["every symbol", ""], shown.symbols_known);
  at("ask-error").textContent = "";
  step("ask");
  at("dialog").showModal();
}

function close() {
  clearInterval(countdown);
  ticket = null;
  at("ask").elements.token.value = "";
  at("dialog").close();
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST", body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${at("ask").elements.token.value}` },
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

async function review(event) {
  event.preventDefault();
  const fields = at("ask").elements;
  const asked = {};
  for (const name of ["kind", "account", "symbol", "operator", "justification"]) asked[name] = fields[name].value;
  try {
    const told = await post("/commands/prepare", asked);
    ticket = told.ticket;
    at("words").textContent = told.words;
    at("review-error").textContent = "";
    at("confirm").disabled = false;
    let left = Math.floor(told.seconds);
    at("left").textContent = left;
    clearInterval(countdown);
    countdown = setInterval(() => {
      left -= 1;
      at("left").textContent = Math.max(left, 0);
      if (left <= 0) { at("confirm").disabled = true; clearInterval(countdown); }
    }, 1000);
    step("review");
  } catch (fault) {
    at("ask-error").textContent = fault.message;
  }
}

async function confirm() {
  at("confirm").disabled = true;
  clearInterval(countdown);
  try {
    const told = await post("/commands/confirm", { ticket });
    at("outcome-title").textContent = told.confirmed ? "In the journal" : `Not confirmed yet: risk task ${told.waiting_tasks.join(", ")} has not taken it`;
    at("outcomes").replaceChildren(...told.outcomes.map((one) => make("li", `${one.account}: ${one.taken ? "taken" : "refused"}, ${one.message}`, one.taken ? "up" : "down")));
    at("outcome-id").textContent = told.command;
    step("outcome");
  } catch (fault) {
    at("review-error").textContent = fault.message;
  }
}

at("command").addEventListener("click", open);
at("ask").addEventListener("submit", review);
at("confirm").addEventListener("click", confirm);
at("dialog").addEventListener("cancel", (event) => { event.preventDefault(); close(); });
for (const button of document.querySelectorAll("button.close")) button.addEventListener("click", close);
at("decisions").addEventListener("click", toggle);
at("decisions").addEventListener("keydown", toggle);
window.addEventListener("resize", () => shown && curve(shown.curve));

const events = new EventSource("/events");
events.onopen = () => at("live").classList.add("on");
events.onerror = () => at("live").classList.remove("on");
events.onmessage = (event) => draw(JSON.parse(event.data));
