"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined && text !== null) element.textContent = text;
    return element;
  };
  const fixed = (digits) => (value) =>
    value === null || value === undefined ? "" :
      value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
  const timeOnly = (text) => (text ? text.slice(11) : "");

  // --- headline ---
  for (const card of data.cards) {
    const box = make("div", "card");
    box.append(make("div", "label", card.label), make("div", "value " + card.tone, card.value),
      make("div", "note", card.note));
    byId("cards").append(box);
  }

  // --- tables: sorted, searched and paged over the array, so that only one page stands in the document ---
  const cellText = (value) => (Array.isArray(value) ? value[1] : value === null || value === undefined ? "" : String(value));

  function fillCell(cell, column, row) {
    const value = row[column.key];
    if (column.vote) {
      const [accepts, text] = value;
      const vote = make("div", "vote");
      const mark = accepts === null ? ["quiet", "–"] : accepts ? ["good", "✓"] : ["bad", "✗"];
      vote.append(make("b", mark[0], mark[1]), make("span", "", accepts === null ? "not asked" : text));
      if (accepts === null) vote.classList.add("quiet");
      cell.append(vote);
    } else if (column.pill) {
      cell.append(make("span", "pill " + (column.pill[value] || "quiet"), value));
      const note = column.note ? column.note(row) : "";
      if (note) cell.append(make("div", "under", note));
    } else {
      cell.textContent = column.show ? column.show(value) : cellText(value);
      if (column.signed && typeof value === "number" && value !== 0) cell.classList.add(value < 0 ? "bad" : "good");
    }
  }

  function table(id, columns, rows, options = {}) {
    const host = byId(id);
    if (!rows.length) { host.append(make("p", "empty", options.empty || "None.")); return; }
    const state = { page: 0, search: "", filter: "", sort: -1, down: false };
    const haystack = options.search ? rows.map((row) => Object.values(row).map(cellText).join(" ").toLowerCase()) : null;
    const tools = make("div", "tools"), scroll = make("div", "scroll"), body = make("tbody");
    const count = make("span", "count"), back = make("button", "", "‹"), next = make("button", "", "›");
    const head = make("tr"), titles = columns.map((column) => make("th", column.className || "", column.title));

    function chosen() {
      let indexes = rows.map((_, index) => index);
      if (state.filter) indexes = indexes.filter((i) => rows[i][options.filter] === state.filter);
      const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length) indexes = indexes.filter((i) => words.every((word) => haystack[i].includes(word)));
      if (state.sort >= 0) {
        const key = columns[state.sort].key, sign = state.down ? -1 : 1;
        indexes.sort((a, b) => {
          const x = rows[a][key], y = rows[b][key];
          if (typeof x === "number" && typeof y === "number") return sign * (x - y) || a - b;
          return sign * cellText(x).localeCompare(cellText(y), "en", { numeric: true }) || a - b;
        });
      }
      return indexes;
    }
    function draw() {
      const indexes = chosen(), pages = Math.max(1, Math.ceil(indexes.length / PAGE));
      state.page = Math.min(state.page, pages - 1);
      const start = state.page * PAGE, shown = indexes.slice(start, start + PAGE);
      body.replaceChildren(...shown.map((index) => {
        const line = make("tr");
        for (const column of columns) {
          const cell = make("td", column.className || "");
          fillCell(cell, column, rows[index]);
          line.append(cell);
        }
        return line;
      }));
      count.textContent = indexes.length ?
        `${start + 1}–${start + shown.length} of ${indexes.length.toLocaleString("en-US")}` : "none match";
      back.disabled = state.page === 0; next.disabled = state.page >= pages - 1;
      titles.forEach((title, i) => {
        title.textContent = columns[i].title + (state.sort === i ? (state.down ? " ↓" : " ↑") : "");
      });
    }

    if (options.search) {
      const input = make("input");
      input.type = "search"; input.placeholder = options.search; input.setAttribute("aria-label", options.search);
      input.addEventListener("input", () => { state.search = input.value; state.page = 0; draw(); });
      tools.append(input);
    }
    if (options.filter) {
      const found = [...new Set(rows.map((row) => row[options.filter]))];
      const buttons = ["", ...found].map((value) => {
        const many = rows.filter((row) => !value || row[options.filter] === value)
          .reduce((sum, row) => sum + (options.weight ? row[options.weight] : 1), 0);
        const button = make("button", "", `${value || "all"} ${many.toLocaleString("en-US")}`);
        button.setAttribute("aria-pressed", String(value === ""));
        button.addEventListener("click", () => {
          state.filter = value; state.page = 0;
          buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
          draw();
        });
        return button;
      });
      tools.append(...buttons);
    }
    if (rows.length > PAGE || options.search) {
      tools.append(count, back, next);
      back.addEventListener("click", () => { state.page -= 1; draw(); });
      next.addEventListener("click", () => { state.page += 1; draw(); });
    }
    titles.forEach((title, i) => title.addEventListener("click", () => {
      state.down = state.sort === i ? !state.down : false; state.sort = i; draw();
    }));
    head.append(...titles);
    const whole = make("table"), thead = make("thead");
    thead.append(head); whole.append(thead, body); scroll.append(whole);
    if (tools.childNodes.length) host.append(tools);
    host.append(scroll);
    draw();
  }

  const number = "number";
  const outcomes = { approved: "good", model: "bad", strategy: "bad", risk: "bad", gate: "bad", vault: "bad" };
  table("trades-table", [
    { key: "trade", title: "Trade", className: "tight" },
    { key: "legs", title: "Legs", className: "tight" },
    { key: "quantity", title: "Units", className: number },
    { key: "opened", title: "Opened", show: timeOnly, className: "tight" },
    { key: "entry", title: "Entry", show: fixed(2), className: number },
    { key: "closed", title: "Closed", show: timeOnly, className: "tight" },
    { key: "exit", title: "Exit", show: fixed(2), className: number },
    { key: "gross", title: "Gross", show: fixed(2), className: number, signed: true },
    { key: "fees", title: "Fees", show: fixed(2), className: number },
    { key: "net", title: "Net", show: fixed(2), className: number, signed: true },
    { key: "reason", title: "Why closed", className: "wide" },
  ], data.trades, { empty: "No order was filled." });
  table("refusals-table", [
    { key: "count", title: "Count", className: number, show: fixed(0) },
    { key: "layer", title: "Layer", pill: outcomes },
    { key: "reason", title: "Reason", className: "wide" },
    { key: "example", title: "First one in full", className: "wide quiet" },
  ], data.refusals, { filter: "layer", weight: "count", empty: "Nothing was refused." });
  table("decisions-table", [
    { key: "at", title: "Time", show: timeOnly, className: "tight" },
    { key: "id", title: "Candidate", className: "tight" },
    { key: "purpose", title: "For" },
    { key: "order", title: "Order", className: "tight" },
    { key: "limit", title: "Limit", show: fixed(2), className: number },
    { key: "model", title: "Model", vote: true },
    { key: "strategy", title: "Strategy", vote: true },
    { key: "risk", title: "Risk", vote: true },
    { key: "outcome", title: "Outcome", pill: outcomes,
      note: (row) => (["approved", "vault", "gate"].includes(row.outcome) ? row.reason : "") },
  ], data.decisions, { search: "Search time, candidate, leg, reason …", filter: "outcome", empty: "Nothing was decided." });
  if (data.feeRows.length) {
    table("fee-rows", [
      { key: "name", title: "Fee" },
      { key: "perContract", title: "Per contract", className: number },
      { key: "minimum", title: "Least per order", className: number },
      { key: "from", title: "Valid from", className: "tight" },
      { key: "verified", title: "Verified" },
      { key: "source", title: "Source", className: "wide" },
    ], data.feeRows);
  }
  table("fees-table", [
    { key: "at", title: "Time", show: timeOnly, className: "tight" },
    { key: "execution", title: "Execution", className: "mono tight" },
    { key: "order", title: "Order", className: "tight" },
    { key: "trade", title: "Trade", className: "tight" },
    { key: "amount", title: "Amount", show: fixed(2), className: number },
    { key: "currency", title: "" },
  ], data.fees, { search: "Search execution, order, trade …", empty: "No commission was charged." });
  table("vault-table", [
    { key: "at", title: "Time", show: timeOnly, className: "tight" },
    { key: "action", title: "Movement" },
    { key: "order", title: "Order", className: "tight" },
    { key: "trade", title: "Trade", className: "tight" },
    { key: "amount", title: "Amount", show: fixed(2), className: number },
    { key: "free", title: "Free", show: fixed(2), className: number },
    { key: "reserved", title: "Reserved", show: fixed(2), className: number },
    { key: "escrow", title: "Escrow", show: fixed(2), className: number },
    { key: "receivable", title: "Owed", show: fixed(2), className: number },
    { key: "settlement", title: "Settlement", show: fixed(2), className: number },
    { key: "fees", title: "Fees", show: fixed(2), className: number },
    { key: "took", title: "Confirmed in, s", show: fixed(1), className: number },
    { key: "signature", title: "Signature", show: (text) => text && text.slice(0, 8) + "…", className: "mono" },
  ], data.vault, { search: "Search order, trade, execution …", filter: "action", empty: "No token was moved." });
  table("control-table", [
    { key: "at", title: "Time", className: "tight" },
    { key: "what", title: "Event", className: "tight" },
    { key: "text", title: "", className: "wide" },
  ], data.control, { empty: "No session event is recorded." });
  table("genesis-table", [
    { key: "name", title: "Name", className: "tight" },
    { key: "value", title: "Value", className: "mono" },
  ], data.genesis);

  // --- plots: colours follow the page, also when the reader changes the scheme ---
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const config = { displayModeBar: false, displaylogo: false, responsive: true };
  const axis = (extra) => Object.assign({ gridcolor: colour("line"), zerolinecolor: colour("line"),
    linecolor: colour("line"), automargin: true }, extra);
  const layout = (extra) => Object.assign({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 60, r: 20, t: 24, b: 36 },
    font: { family: "system-ui, sans-serif", size: 12, color: colour("quiet") }, hovermode: "x unified",
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), font: { color: colour("text") } },
    legend: { orientation: "h", y: 1.08, x: 0 },
  }, extra);
  const line = (x, y, name, hue, extra) => Object.assign({ type: "scatter", mode: "lines", x, y, name,
    line: { color: colour(hue), width: 1.8 } }, extra);

  const s = data.series;
  const equityAt = (time) => {  // the last snapshot not after the time
    let low = 0, high = s.at.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (s.at[middle] <= time) low = middle; else high = middle - 1; }
    return s.equity[low];
  };
  function drawEquity() {
    const mark = (key, name, symbol, hue) => {
      const rows = data.trades.filter((row) => row[key]);
      return { type: "scatter", mode: "markers", name, x: rows.map((row) => row[key]), y: rows.map((row) => equityAt(row[key])),
        text: rows.map((row) => `${row.trade} ${row.legs}` + (key === "closed" ? ` net ${fixed(2)(row.net)}` : "")),
        hovertemplate: "%{text}", marker: { symbol, size: 9, color: colour(hue), line: { width: 1, color: colour("panel") } } };
    };
    Plotly.react("equity-plot", [
      line(s.at, s.equity, "equity", "accent", { hovertemplate: "%{y:,.2f}" }),
      line(s.at, s.high, "highest so far", "quiet", { line: { color: colour("quiet"), width: 1, dash: "dot" }, hovertemplate: "%{y:,.2f}" }),
      mark("opened", "opened", "triangle-up", "third"), mark("closed", "closed", "square", "second"),
      line(s.at, s.spot, "underlying", "second", { yaxis: "y2", hovertemplate: "%{y:.2f}" }),
    ], layout({
      xaxis: axis({ anchor: "y2" }), yaxis: axis({ domain: [0.34, 1], title: { text: "USD" }, tickformat: ",.0f" }),
      yaxis2: axis({ domain: [0, 0.26], title: { text: "underlying" } }),
    }), config);
  }
  function drawGreeks() {
    const names = ["delta", "gamma", "vega", "theta"], gap = 0.06, height = (1 - gap * 3) / 4;
    const shape = { xaxis: axis({ anchor: "y4" }), showlegend: false };
    const traces = names.map((name, i) => {
      const top = 1 - i * (height + gap);
      shape["yaxis" + (i ? i + 1 : "")] = axis({ domain: [Math.max(0, top - height), top], title: { text: name }, nticks: 4 });
      return line(s.at, s[name], name, ["accent", "third", "good", "second"][i], { yaxis: "y" + (i ? i + 1 : ""),
        line: { color: colour(["accent", "third", "good", "second"][i]), width: 1.6, shape: "hv" } });
    });
    Plotly.react("greeks-plot", traces, layout(shape), config);
  }

  const smile = { group: 0, index: 0 };
  function drawSmile() {
    const group = data.smiles[smile.group], shot = group.snapshots[smile.index];
    byId("smile-clock").textContent = shot.at.slice(11);
    const fills = group.fills.filter((fill) => fill.at <= shot.at || smile.index === group.snapshots.length - 1);
    const legs = (side, name, symbol, hue) => {
      const rows = fills.filter((fill) => fill.side === side);
      return { type: "scatter", mode: "markers", name, x: rows.map((f) => f.strike), y: rows.map((f) => f.volatility),
        text: rows.map((f) => `${f.at.slice(11)} ${f.text}`), hovertemplate: "%{text}<extra></extra>",
        marker: { symbol, size: 12, color: colour(hue), line: { width: 1, color: colour("panel") } } };
    };
    const all = group.snapshots.flatMap((each) => each.market.concat(each.fitted))
      .concat(group.fills.map((fill) => fill.volatility)).filter((v) => v !== null);
    const low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    const pad = (high - low) * 0.06 || 0.01;
    Plotly.react("smile-plot", [
      { type: "scatter", mode: "markers", name: "market", x: shot.strikes, y: shot.market, marker: { size: 6, color: colour("quiet") },
        hovertemplate: "%{x:g}: %{y:.2%}<extra>market</extra>" },
      line(shot.strikes, shot.fitted, "fit", "accent", { connectgaps: true, hovertemplate: "%{x:g}: %{y:.2%}<extra>fit</extra>" }),
      legs(1, "bought", "triangle-up", "good"), legs(-1, "sold", "triangle-down", "bad"),
    ], layout({ hovermode: "closest", xaxis: axis({ title: { text: "strike" } }),
      yaxis: axis({ title: { text: "implied volatility" }, tickformat: ".1~%", range: all.length ? [low - pad, high + pad] : undefined }) }), config);
  }
  function setUpSmiles() {
    const slider = make("input"), clock = make("span", "", "");
    slider.type = "range"; slider.min = 0; slider.setAttribute("aria-label", "time of the smile"); clock.id = "smile-clock";
    byId("smile-time").append(slider, clock);
    slider.addEventListener("input", () => { smile.index = Number(slider.value); drawSmile(); });
    const choose = (index) => {
      smile.group = index; smile.index = data.smiles[index].snapshots.length - 1;
      slider.max = smile.index; slider.value = smile.index;
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
      drawSmile();
    };
    const buttons = data.smiles.map((group, index) => {
      const many = group.fills.length;
      const button = make("button", "", group.expiry + (many ? ` · ${many} fills` : ""));
      button.addEventListener("click", () => choose(index));
      return button;
    });
    byId("smile-tabs").append(...buttons);
    const most = data.smiles.reduce((best, group, i) => (group.fills.length > data.smiles[best].fills.length ? i : best), 0);
    choose(most);
  }
  function drawVault() {
    const x = data.vault.map((row) => row.at);
    const names = ["free", "reserved", "escrow", "fees", "settlement"], hues = ["accent", "third", "second", "bad", "quiet"];
    Plotly.react("vault-plot", names.map((name, i) => line(x, data.vault.map((row) => row[name]), name, hues[i],
      { line: { color: colour(hues[i]), width: 1.6, shape: "hv" }, hovertemplate: "%{y:,.2f}",
        visible: name === "free" || name === "settlement" ? "legendonly" : true })),
    layout({ xaxis: axis({}), yaxis: axis({ title: { text: "USDT" }, tickformat: ",.0f", rangemode: "tozero" }) }), config);
  }

  const nothing = (id, text) => byId(id).replaceWith(make("p", "empty", text));
  const drawings = [];
  if (s.at.length) drawings.push(drawEquity, drawGreeks);
  else { nothing("equity-plot", "No portfolio snapshot is recorded."); nothing("greeks-plot", "No portfolio snapshot is recorded."); }
  if (data.smiles.length) { setUpSmiles(); drawings.push(drawSmile); } else nothing("smile-plot", "No smile is recorded.");
  if (data.vault.length) drawings.push(drawVault); else nothing("vault-plot", "No token was moved.");
  const drawAll = () => drawings.forEach((draw) => draw());
  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
