"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const palette = [color("accent"), color("second"), color("third"), color("good")];
  const config = { displaylogo: false, responsive: true };
  const axis = (extra) => Object.assign({ gridcolor: color("line"), zerolinecolor: color("line") }, extra);
  const layout = (extra) => Object.assign({
    margin: { l: 60, r: 20, t: 10, b: 45 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("text"), size: 12 },
    legend: { orientation: "h", y: 1.12 },
    hovermode: "x unified",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: color("line"), activecolor: color("accent") },
  }, extra);
  const nothing = (id, words) => { document.getElementById(id).outerHTML = `<p class="empty">${words}</p>`; };

  const curves = Object.entries(data.curves);
  if (curves.length) {
    Plotly.react("curves-plot", curves.map(([name, values], k) => ({
      x: values.map((_, i) => i + 1), y: values, name, mode: "lines",
      line: { color: palette[k % palette.length], width: 2 },
    })), layout({
      xaxis: axis({ title: { text: curves.length > 1 ? "round" : "session" } }),
      yaxis: axis({ title: { text: curves.length > 1 ? "log loss" : "" } }),
      showlegend: true,
    }), config);
  } else {
    nothing("curves-plot", "This model is not fitted in rounds.");
  }

  const found = data.calibration;
  if (found) {
    const most = Math.max(...found.count);
    Plotly.react("calibration-plot", [
      { x: [0, 1], y: [0, 1], mode: "lines", name: "means what it says", line: { color: color("quiet"), dash: "dot" } },
      {
        x: found.forecast, y: found.outcome, mode: "lines+markers", name: "judged rows",
        line: { color: color("accent") }, text: found.count.map((n) => `${n} rows`),
        marker: { size: found.count.map((n) => 6 + 16 * Math.sqrt(n / most)), color: color("accent") },
      },
    ], layout({
      hovermode: "closest",
      xaxis: axis({ title: { text: "forecast" }, range: [0, 1] }),
      yaxis: axis({ title: { text: "share of ones" }, range: [0, 1] }),
    }), config);
  } else {
    nothing("calibration-plot", "It forecasts no probability of a label.");
  }

  if (data.attribution.names.length) {
    Plotly.react("attribution-plot", [{
      type: "bar", orientation: "h", y: data.attribution.names, x: data.attribution.values,
      marker: { color: color("accent") },
    }], layout({
      margin: { l: 190, r: 20, t: 10, b: 45 }, hovermode: "closest",
      xaxis: axis({}), yaxis: axis({ autorange: "reversed", automargin: true }),
    }), config);
  } else {
    nothing("attribution-plot", "Not attributed.");
  }
})();
