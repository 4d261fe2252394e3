"use strict";

// The page is whole without this script. It puts new figures in the places of the old ones, which come as
// text that the server has made, and go in as text: nothing that is received becomes markup.
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const pause = document.getElementById("pause");
  const news = document.getElementById("news");
  let paused = false;
  let timer = 0;
  let silentSince = "";

  // Only what differs is touched, so that a selection and a reading position stay.
  const setText = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  const setAttribute = (node, name, value) => {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  };

  const bar = () => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 4");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("height", "4");
    svg.append(rect);
    return svg;
  };

  const fold = () => {
    const details = document.createElement("details");
    details.append(document.createElement("summary"), document.createElement("code"));
    return details;
  };

  const kindOf = (cell, i) => (cell.d ? "fold" : cell.w ? "wide" : i === 0 ? "head" : cell.b ? "bar" : "plain");

  const newCell = (kind) => {
    const node = document.createElement(kind === "head" ? "th" : "td");
    if (kind === "head") node.scope = "row";
    if (kind === "bar") node.append(document.createElement("span"), bar());
    if (kind === "fold") node.append(fold());
    return node;
  };

  const kindOfNode = (node) => {
    if (node.tagName === "TH") return "head";
    if (node.querySelector("details")) return "fold";
    if (node.colSpan > 1) return "wide";
    return node.querySelector("svg") ? "bar" : "plain";
  };

  const showRow = (row, cells) => {
    while (row.cells.length > cells.length) row.lastElementChild.remove();
    cells.forEach((cell, i) => {
      const kind = kindOf(cell, i);
      let node = row.cells[i];
      if (!node) {
        node = newCell(kind);
        row.append(node);
      } else if (kindOfNode(node) !== kind) {
        const other = newCell(kind);
        node.replaceWith(other);
        node = other;
      }
      setAttribute(node, "class", cell.c || "");
      if (cell.w) node.colSpan = cell.w;
      if (kind === "bar") {
        setText(node.firstElementChild, cell.t);
        setAttribute(node.querySelector("rect"), "width", cell.b);
      } else if (kind === "fold") {
        setText(node.querySelector("summary"), cell.d);
        setText(node.querySelector("code"), cell.t);
      } else {
        setText(node, cell.t);
      }
    });
  };

  const showTable = (table) => {
    const body = document.getElementById(table.id).tBodies[0];
    const unfolded = new Set([...body.querySelectorAll("details[open] code")].map((code) => code.textContent));
    while (body.rows.length > table.rows.length) body.lastElementChild.remove();
    while (body.rows.length < table.rows.length) body.append(document.createElement("tr"));
    table.rows.forEach((cells, i) => showRow(body.rows[i], cells));
    // What was unfolded stays so where its row has gone to.
    for (const details of body.querySelectorAll("details")) {
      const open = unfolded.has(details.querySelector("code").textContent);
      if (details.open !== open) details.open = open;
    }
  };

  const showChart = (chart) => {
    const paths = document.getElementById(chart.id).querySelectorAll("path");
    chart.areas.forEach((area, i) => setAttribute(paths[i], "d", area));
    setText(document.getElementById(chart.id + "-top"), chart.top);
  };

  const show = (view) => {
    for (const card of view.cards) {
      const node = document.getElementById(card.id);
      setText(node, card.t);
      setAttribute(node, "class", card.c);
    }
    for (const section of view.sections) {
      (section.charts || []).forEach(showChart);
      section.tables.forEach(showTable);
    }
  };

  const refresh = async () => {
    try {
      const answer = await fetch(location.origin + "/api/status?view=1", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error("status " + answer.status);
      show((await answer.json()).view);
      silentSince = "";
      setText(news, paused ? "Paused." : "");
    } catch {
      // Said once: a screen reader would read it out every second.
      if (!silentSince) silentSince = new Date().toLocaleTimeString();
      setText(news, "No answer since " + silentSince + ". The figures are old.");
    }
    plan();
  };

  const plan = () => {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(refresh, silentSince || calm.matches ? 5000 : 1000);
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    setText(pause, paused ? "Go on" : "Pause");
    setText(news, paused ? "Paused." : "");
    plan();
  });
  document.addEventListener("visibilitychange", plan);
  plan();
})();
