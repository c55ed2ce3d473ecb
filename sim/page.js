"use strict";
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const $ = id => document.getElementById(id);
  const narrow = matchMedia("(max-width: 900px)").matches;

  // Everything that comes from the run is put in as text.
  function el(name, cls, text) {
    const e = document.createElement(name);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  }
  function svg(parent, name, attrs, text) {
    const e = document.createElementNS(NS, name);
    for (const k in attrs) e.setAttribute(k, attrs[k]);
    if (text !== undefined) e.textContent = text;
    parent.appendChild(e);
    return e;
  }
  const seconds = ns => (ns / 1e9).toFixed(6) + " s";
  function span(ns) {
    if (ns >= 1e9) return (ns / 1e9).toFixed(1) + " s";
    return ns >= 1e6 ? Math.round(ns / 1e6) + " ms" : Math.round(ns / 1e3) + " µs";
  }

  // The words.
  document.title = "FAIL " + D.checker;
  $("checker").textContent = D.checker;
  $("head").textContent = D.head;
  $("want").textContent = D.want;
  for (const g of D.got || []) {
    const row = el("div");
    row.append(el("span", "", "got"), el("span", "", " " + g));
    $("got").append(row);
  }
  $("repro").textContent = D.repro || "(the command was not given)";
  $("card").textContent = D.card;
  $("plan").textContent = D.plan;

  (function sizes() {
    const t = el("table");
    if (D.tried) {
      const head = el("thead"), r = el("tr");
      for (const h of ["", "was", "now", ""]) r.append(el("th", "", h));
      head.append(r);
      t.append(head);
    }
    for (const [what, was, now] of D.sizes) {
      const r = el("tr");
      r.append(el("th", "", what));
      if (D.tried) r.append(el("td", "dim", was));
      r.append(el("td", "", now));
      if (D.tried) {
        const c = el("td"), a = el("span", "pair"), b = el("span", "pair now");
        c.style.width = "45%";
        a.style.width = "100%";
        b.style.width = 100 * now / Math.max(1, was) + "%";
        c.append(a, b);
        r.append(c);
      }
      t.append(r);
    }
    $("sizes").append(t);
    const seen = D.seen || [];
    if (D.still) {
      $("sizes").append(el("p", "hint", seen.length ? "The dice of links and disks are off. What goes wrong there is this:" :
        "The dice of links and disks are off: nothing is lost, doubled or late but by the faults."));
      const ul = el("ul", "hint");
      for (const s of seen) ul.append(el("li", "", s));
      if (seen.length) $("sizes").append(ul);
    }
    if (D.tried) $("sizes").append(el("p", "hint", D.tried + " runs were tried to make it small."));
    for (const o of D.others || []) $("sizes").append(el("p", "hint", "On the way there also failed: " + o));
    if (!D.passes || !D.passes.length) return $("passesbox").remove();
    const p = el("table");
    for (const q of D.passes) {
      const r = el("tr");
      for (const x of [q.Name, q.Before + " → " + q.After, q.Tried + " runs"]) r.append(el("td", "", x));
      p.append(r);
    }
    $("passes").append(p);
  })();

  // What is shown.
  const S = D.steps, storyAt = new Map();
  (D.story || []).forEach((l, i) => storyAt.set(l.a, i + 1));
  const struck = new Set((D.faults || []).map(f => f.a));
  const stands = s => (s.n || []).some(n => n[1] === 1 || n[1] === 2 && n[2] >= 2);
  const views = [
    ["causal past", "only what the violation could not have come to without, and the faults", i => i <= D.here && (S[i].c || storyAt.has(i) || struck.has(i) || stands(S[i]))],
    ["without heartbeats", "everything but heartbeats", i => !S[i].d || storyAt.has(i) || S[i].c],
    ["everything", "every event that came to something", () => true],
  ];
  const state = { view: 0, zoom: narrow ? 0.8 : 1, page: -1, sel: D.here };
  const pageSize = 500;
  let shown = [], X = new Map(), layout = null;

  function choose() {
    let all = [];
    for (let i = 0; i < S.length; i++) if (views[state.view][2](i)) all.push(i);
    const pages = Math.max(1, Math.ceil(all.length / pageSize));
    if (state.page < 0 || state.page >= pages) state.page = Math.max(0, Math.floor(all.filter(i => i < state.sel).length / pageSize));
    state.page = Math.min(state.page, pages - 1);
    shown = all.slice(state.page * pageSize, (state.page + 1) * pageSize);
    $("count").textContent = shown.length + " of " + S.length + " events";
    const box = $("pages");
    box.replaceChildren();
    if (pages > 1) {
      button(box, "◂ earlier", false, () => { state.page--; draw(); }).disabled = state.page === 0;
      button(box, "later ▸", false, () => { state.page++; draw(); }).disabled = state.page === pages - 1;
    }
  }

  function button(box, text, on, act, title) {
    const b = el("button", "", text);
    b.type = "button";
    if (on !== null) b.setAttribute("aria-pressed", on);
    if (title) b.title = title;
    b.addEventListener("click", act);
    box.append(b);
    return b;
  }

  function controls() {
    const v = $("views"), z = $("zoom");
    v.replaceChildren();
    z.replaceChildren();
    views.forEach(([name, title], i) => button(v, name, state.view === i, () => { state.view = i; state.page = -1; draw(); reveal(state.sel); }, title));
    button(z, "−", null, () => zoom(1 / 1.4), "less wide");
    button(z, "fit", null, fit, "all of it in the window");
    button(z, "+", null, () => zoom(1.4), "wider");
  }
  function zoom(by) { state.zoom = Math.min(6, Math.max(.12, state.zoom * by)); draw(); reveal(state.sel); }
  function fit() {
    const room = $("scroll").clientWidth - 40, now = layout.width - 40;
    state.zoom = Math.min(3, Math.max(.12, state.zoom * room / now));
    draw();
  }

  // Places. Each event has its own place from left to right; the longer the time between two, the farther
  // they stand apart, but a second is not a thousand times as wide as a millisecond.
  function place() {
    X = new Map();
    let x = 34, last = null;
    const gaps = [];
    for (const i of shown) {
      if (last !== null) {
        const us = (S[i].t - S[last].t) / 1000;
        const d = (15 + 11 * Math.log10(1 + us)) * state.zoom;
        if (us > 100000) gaps.push([x, x + d, S[i].t - S[last].t]);
        x += d;
      }
      X.set(i, x);
      last = i;
    }
    const lanes = {};
    let y = 64;
    D.lanes.forEach(name => {
      const node = name[0] === "n", h = node ? 112 : 44;
      lanes[name] = { y, h, mid: y + (node ? 26 : 26), node };
      y += h + 6;
    });
    layout = { width: x + 150, height: y + 8, lanes, gaps };
  }
  // xAt is where a time would stand.
  function xAt(t) {
    for (let k = 0; k < shown.length; k++) {
      if (S[shown[k]].t >= t) return X.get(shown[k]);
    }
    return layout.width - 12;
  }

  function draw() {
    controls();
    choose();
    place();
    const { width, height, lanes, gaps } = layout;
    const box = $("picture");
    box.replaceChildren();
    const g = svg(box, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "who did what when" });
    const names = $("names");
    names.replaceChildren();
    const nw = narrow ? 40 : 62;
    const left = svg(names, "svg", { width: nw, height });
    for (const name of D.lanes) {
      const l = lanes[name];
      svg(g, "rect", { class: "lanebg", x: 0, y: l.y, width, height: l.h });
      svg(left, "rect", { class: "lanebg", x: 0, y: l.y, width: nw, height: l.h });
      svg(left, "text", { class: "name", x: narrow ? 8 : 14, y: l.mid + 4 }, name);
      if (l.node && !narrow) svg(left, "text", { class: "soft", x: 14, y: l.y + 88 }, "log");
    }
    axis(g, gaps);
    faults(g);
    D.lanes.forEach(name => lanes[name].node ? life(g, name) : svg(g, "line", { class: "life client", x1: 0, x2: width, y1: lanes[name].mid, y2: lanes[name].mid }));
    saves(g);
    mails(g);
    dots(g);
    here(g);
    layout.cursor = svg(g, "line", { class: "sel-line", y1: 20, y2: height });
    layout.g = g;
    moveCursor();
  }

  function axis(g, gaps) {
    let last = -100;
    for (const i of shown) {
      const x = X.get(i);
      if (x - last < 92) continue;
      svg(g, "text", { class: "soft", x, y: 14, "text-anchor": "middle" }, (S[i].t / 1e9).toFixed(4));
      svg(g, "line", { x1: x, x2: x, y1: 18, y2: 22, stroke: "var(--soft)" });
      last = x;
    }
    for (const [a, b, ns] of gaps) {
      if (b - a < 30) continue;
      svg(g, "text", { class: "soft halo", x: (a + b) / 2, y: layout.height - 4, "text-anchor": "middle" }, "⋯ " + span(ns));
    }
  }

  function faults(g) {
    const rows = [-999, -999, -999];
    for (const f of D.faults || []) {
      const first = X.has(f.a) ? X.get(f.a) : S[f.a].t < S[shown[0]].t ? 0 : null;
      if (first === null || f.u <= S[shown[0]].t) continue;
      const x2 = Math.max(first + 4, xAt(f.u));
      const hit = f.o ? [f.o] : D.lanes.filter(n => n[0] === "n");
      const band = svg(g, "g", {});
      for (const n of hit) {
        const l = layout.lanes[n];
        if (!l) continue;
        svg(band, "rect", { class: "fault", x: first, y: l.y, width: x2 - first, height: l.h });
      }
      const row = rows.findIndex(e => e < first), r = row < 0 ? 2 : row;
      const y = 33 + r * 13;
      svg(band, "line", { class: "faultedge", x1: first, x2: first, y1: y - 6, y2: layout.lanes[hit[hit.length - 1]].y + layout.lanes[hit[hit.length - 1]].h });
      const label = svg(band, "text", { class: "faulttext halo", x: first + (storyAt.has(f.a) ? 11 : 3), y }, f.x);
      rows[r] = first + f.x.length * 6;
      tip(band, () => f.x + "\nuntil " + seconds(f.u));
    }
  }

  // What a replica was, from event to event.
  function series(name, what, start) {
    const n = +name.slice(1), out = [[0, start]];
    for (let i = 0; i < S.length; i++) for (const v of S[i].n || []) if (v[0] === n && v[1] === what) out.push([i, v[2], v[3]]);
    return out;
  }
  const memo = {};
  function all(name) {
    return memo[name] ||= { up: series(name, 1, 0), role: series(name, 2, 0), log: series(name, 3, 0), disk: series(name, 4, 0), commit: series(name, 5, 0) };
  }
  function valueAt(list, i) {
    let lo = 0, hi = list.length - 1;
    while (lo < hi) {
      const m = (lo + hi + 1) >> 1;
      if (list[m][0] <= i) lo = m; else hi = m - 1;
    }
    return list[lo];
  }
  // xOf is where something that became so at event i begins in this view: at the next event that is shown.
  function xOf(i) {
    let lo = 0, hi = shown.length;
    while (lo < hi) {
      const m = (lo + hi) >> 1;
      if (shown[m] < i) lo = m + 1; else hi = m;
    }
    return lo < shown.length ? X.get(shown[lo]) : layout.width;
  }

  function life(g, name) {
    const l = layout.lanes[name], a = all(name), end = layout.width;
    const turns = [...new Set([shown[0], ...a.up.map(v => v[0]), ...a.role.map(v => v[0])])].filter(i => i <= shown[shown.length - 1]).sort((p, q) => p - q);
    turns.forEach((i, k) => {
      const x1 = k === 0 ? 0 : xOf(i), x2 = k + 1 < turns.length ? xOf(turns[k + 1]) : end;
      if (x2 <= x1) return;
      const up = valueAt(a.up, i)[1], role = valueAt(a.role, i);
      const cls = up === 0 ? "down" : ["foll", "cand", "cand", "lead"][role[1]] + (up === 2 ? " paused" : "");
      svg(g, "line", { class: "life " + cls, x1, x2, y1: l.mid, y2: l.mid });
    });
    for (const [i, kind, term] of a.role) {
      if (i < shown[0] || i > shown[shown.length - 1] || kind < 3) continue;
      const x = xOf(i);
      svg(g, "path", { class: "crown", d: `M${x + 2} ${l.y + 14} l0 -9 l4 4 l4 -6 l4 6 l4 -4 l0 9 z` });
      svg(g, "text", { class: "halo", x: x + 22, y: l.y + 14, style: "fill: var(--lead); font-weight: 650" }, "term " + term);
    }
    // The log: on the disk, in memory, committed.
    const top = l.y + 54, bottom = l.y + l.h - 6;
    let lo = Infinity, hi = 1;
    for (const n of D.lanes.filter(n => n[0] === "n")) {
      const b = all(n);
      for (const i of [shown[0], shown[shown.length - 1]]) {
        lo = Math.min(lo, valueAt(b.disk, i)[1], valueAt(b.commit, i)[1]);
        hi = Math.max(hi, valueAt(b.disk, i)[1], valueAt(b.log, i)[1], valueAt(b.commit, i)[1]);
      }
      for (const v of b.log) if (v[0] <= shown[shown.length - 1]) hi = Math.max(hi, v[1]);
    }
    lo = Math.max(0, lo - 1);
    const Y = v => bottom - (bottom - top) * Math.max(0, v - lo) / Math.max(1, hi - lo);
    const path = (list, close) => {
      let d = "", y = Y(valueAt(list, shown[0])[1]);
      d = `M0 ${close ? bottom : y} L0 ${y}`;
      for (const [i, v] of list) {
        if (i <= shown[0] || i > shown[shown.length - 1]) continue;
        const x = xOf(i);
        d += ` L${x} ${y} L${x} ${Y(v)}`;
        y = Y(v);
      }
      d += ` L${end} ${y}`;
      return close ? d + ` L${end} ${bottom} Z` : d;
    };
    svg(g, "path", { class: "ondisk", d: path(a.disk, true) });
    svg(g, "path", { class: "inmem", d: path(a.log) });
    svg(g, "path", { class: "commitline", d: path(a.commit) });
    let labelled = -99, before = -1;
    for (const [i, v] of a.disk) {
      if (i < shown[0] || i > shown[shown.length - 1] || v === 0 || v === before) continue;
      const x = xOf(i);
      before = v;
      if (x - labelled < 26) continue;
      svg(g, "text", { class: "soft", x: x + 3, y: bottom - 2, style: "font-size: 10px" }, v);
      labelled = x;
    }
  }

  function saves(g) {
    for (const s of D.saves || []) {
      const l = layout.lanes[s.o];
      if (s.a > shown[shown.length - 1] || s.b >= 0 && s.b < shown[0]) continue;
      const x1 = xOf(s.a), x2 = s.b < 0 ? layout.width : xOf(s.b);
      const r = svg(g, "rect", { class: "save " + (s.z || "open"), x: x1, y: l.y + 42, width: Math.max(3, x2 - x1), height: 6, rx: 2 });
      tip(r, () => s.o + " " + s.x + "\n" + ({ durable: "durable after " + span(S[s.b] ? S[s.b].t - S[s.a].t : 0), gone: "lost: the replica died while it was in flight",
        kept: "the replica died while it was in flight; it is there afterwards" }[s.z] || "not durable by the end"));
      if (s.z === "gone") svg(g, "path", { class: "tip bad", d: `M${x2 - 4} ${l.y + 41} l8 8 m0 -8 l-8 8` });
    }
  }

  function mails(g) {
    const labels = [];
    for (const m of D.packets || []) {
      if (!X.has(m.a) || !layout.lanes[m.f] || !layout.lanes[m.g]) continue;
      const x1 = X.get(m.a), y1 = layout.lanes[m.f].mid, y2 = layout.lanes[m.g].mid, bad = m.z === "lost" || m.z === "shut" || m.z === "missed";
      if (!bad && !X.has(m.b)) {
        continue;
      }
      if (bad && m.k === "heartbeat" && state.view === 0) continue;
      let x2 = X.has(m.b) ? X.get(m.b) : x1 + 26, ye = y2;
      if (m.z === "lost" || m.z === "shut") {
        ye = y1 + (y2 - y1) * .45;
        x2 = x1 + 14;
      }
      const down = y2 > y1 ? 1 : -1, start = y1 + 5 * down, stop = bad && m.z !== "missed" ? ye : ye - 6 * down;
      const grp = svg(g, "g", {});
      const line = svg(grp, "path", { class: "mail " + m.k + " " + m.z, d: `M${x1} ${start} L${x2} ${stop}` });
      svg(grp, "path", { d: `M${x1} ${start} L${x2} ${stop}`, stroke: "transparent", "stroke-width": 9, fill: "none" });
      if (bad) svg(grp, "path", { class: "tip bad", d: `M${x2 - 4} ${stop - 4} l8 8 m0 -8 l-8 8` });
      else {
        const a = Math.atan2(stop - start, x2 - x1) * 180 / Math.PI;
        svg(grp, "path", { class: "tip " + m.k, transform: `translate(${x2} ${stop}) rotate(${a})`, d: "M0 0 L-8 -3.5 L-8 3.5 z" });
      }
      const why = { lost: "lost", shut: "the link was shut", missed: "nobody was there to take it", double: "the double", late: "a copy that came late" }[m.z];
      tip(grp, () => `${m.f} → ${m.g}  ${m.x}` + (why ? "\n" + why : "") + (m.b >= 0 ? "\non its way for " + span(S[m.b].t - S[m.a].t) : ""));
      grp.addEventListener("click", () => select(m.b >= 0 ? m.b : m.a));
      grp.addEventListener("mouseenter", () => line.classList.add("hot"));
      grp.addEventListener("mouseleave", () => line.classList.remove("hot"));
      if (m.k !== "heartbeat") labels.push({ x: x1 + (x2 - x1) * .5, y: start + (stop - start) * .5, text: m.z === "double" || m.z === "late" ? m.x + " (" + m.z + ")" : m.x, room: Math.abs(x2 - x1) });
    }
    // Words on arrows, where there is room for them.
    const taken = [];
    for (const t of labels) {
      const text = t.text.length > 30 ? t.text.slice(0, 29) + "…" : t.text, w = text.length * 5.4;
      for (const dy of [0, 14, -14, 28]) {
        const b = [t.x + 4, t.y + dy - 10, t.x + 4 + w, t.y + dy + 3];
        if (taken.some(o => b[0] < o[2] && b[2] > o[0] && b[1] < o[3] && b[3] > o[1])) continue;
        taken.push(b);
        svg(g, "text", { class: "halo", x: t.x + 4, y: t.y + dy, style: "font-size: 10px; pointer-events: none" }, text);
        break;
      }
    }
  }

  function dots(g) {
    layout.dots = new Map();
    const ends = {};
    for (const i of shown) {
      const s = S[i], l = layout.lanes[s.w];
      const x = X.get(i), y = l ? l.mid : 28;
      if (!l) continue;
      const c = svg(g, "circle", { class: "dot" + (s.d ? " dull" : "") + (i === D.here ? " here" : ""), cx: x, cy: y, r: i === D.here ? 7 : s.d ? 3 : 4.5 });
      layout.dots.set(i, c);
      tip(c, () => `event ${s.e}, ${seconds(s.t)}, ${s.w}\n` + s.x.join("\n"));
      c.addEventListener("click", () => select(i));
      if (!l.node && s.x.length && (ends[s.w] || -1) < x) {
        const text = s.x[0].length > 34 ? s.x[0].slice(0, 33) + "…" : s.x[0];
        svg(g, "text", { class: "halo", x: x - 4, y: l.y + 13, style: "font-size: 10px" }, text);
        ends[s.w] = x + text.length * 5.5;
      }
    }
    for (const [i, no] of storyAt) {
      if (!X.has(i)) continue;
      const s = S[i], l = layout.lanes[s.w], x = X.get(i), y = l ? l.mid + (l.node ? 15 : 13) : 42;
      if (s.w === "--" || struck.has(i)) {
        mark(g, x, 29, no, i === D.here);
        continue;
      }
      mark(g, x, y, no, i === D.here);
    }
  }
  function mark(g, x, y, no, bad) {
    svg(g, "circle", { class: "badge" + (bad ? " here" : ""), cx: x, cy: y, r: 7.5, style: "pointer-events: none" });
    svg(g, "text", { class: "badgeno" + (bad ? " here" : ""), x, y: y + 3.6, style: "pointer-events: none" }, no);
  }

  function here(g) {
    if (!X.has(D.here)) return;
    const x = X.get(D.here);
    svg(g, "line", { class: "here-line", x1: x, x2: x, y1: 20, y2: layout.height });
    svg(g, "text", { class: "halo", x: x - 6, y: 46, "text-anchor": "end", style: "fill: var(--bad); font-weight: 650" }, "broken here");
  }

  // Details.
  function tip(e, text) {
    e.addEventListener("mousemove", ev => {
      const t = $("tip");
      t.textContent = text();
      t.hidden = false;
      const r = t.getBoundingClientRect();
      t.style.left = Math.min(innerWidth - r.width - 8, ev.clientX + 14) + "px";
      t.style.top = (ev.clientY + 18 + r.height > innerHeight ? ev.clientY - r.height - 10 : ev.clientY + 18) + "px";
    });
    e.addEventListener("mouseleave", () => { $("tip").hidden = true; });
  }

  function moveCursor() {
    const c = layout.cursor, on = X.has(state.sel);
    c.style.display = on ? "" : "none";
    if (on) {
      c.setAttribute("x1", X.get(state.sel));
      c.setAttribute("x2", X.get(state.sel));
    }
    if (layout.chosen) layout.chosen.classList.remove("sel");
    layout.chosen = layout.dots.get(state.sel);
    if (layout.chosen) layout.chosen.classList.add("sel");
  }
  function reveal(i) {
    if (X.has(i)) {
      const box = $("scroll");
      box.scrollLeft = X.get(i) - box.clientWidth * .7;
    }
  }

  function select(i, show) {
    state.sel = i;
    if (show && !X.has(i)) {
      if (!views[state.view][2](i)) state.view = views.findIndex(v => v[2](i));
      state.page = -1;
      draw();
    }
    if (show) reveal(i);
    moveCursor();
    const s = S[i];
    $("when").textContent = `Event ${s.e}, ${seconds(s.t)}` + (s.w === "--" ? "" : ", " + s.w);
    const ul = $("facts");
    ul.replaceChildren();
    for (const x of s.x) ul.append(el("li", i === D.here && x === D.head ? "broken" : "", x));
    if (!s.x.length) ul.append(el("li", "dim", "a timer, or something that came to nothing new"));
    if (s.k >= 0) {
      const li = el("li", "because"), a = el("a", "", `event ${S[s.k].e}` + (S[s.k].w === "--" ? "" : " of " + S[s.k].w) + (S[s.k].x.length ? ": " + S[s.k].x[0] : ""));
      a.addEventListener("click", () => select(s.k, true));
      li.append("because of ", a);
      ul.append(li);
    }
    const n = storyAt.get(i);
    document.querySelectorAll("#story li").forEach((li, k) => li.classList.toggle("sel", k + 1 === n));
    stateTable(i);
  }

  function stateTable(i) {
    const t = el("table"), head = el("thead"), r = el("tr");
    for (const h of ["", "role", "log on disk", "in memory", "commit", ""]) r.append(el("th", "", h));
    head.append(r);
    t.append(head);
    const nodes = D.lanes.filter(n => n[0] === "n");
    let most = 1;
    for (const n of nodes) most = Math.max(most, valueAt(all(n).log, i)[1], valueAt(all(n).disk, i)[1], valueAt(all(n).commit, i)[1]);
    for (const n of nodes) {
      const a = all(n), up = valueAt(a.up, i)[1], role = valueAt(a.role, i), log = valueAt(a.log, i)[1], disk = valueAt(a.disk, i)[1], commit = valueAt(a.commit, i)[1];
      const row = el("tr");
      row.append(el("th", "", n));
      const part = ["follower", "pre-candidate", "candidate", "leader"][role[1]] + (role[2] ? ", term " + role[2] : "");
      row.append(el("td", up === 0 ? "down" : ["", "cand", "cand", "lead"][role[1]], up === 0 ? "down" : (up === 2 ? "stands still; " : "") + part));
      row.append(el("td", "", disk), el("td", "", up === 0 ? "–" : log), el("td", "", up === 0 ? "–" : commit));
      const c = el("td"), bar = el("div", "logbar");
      c.style.width = "34%";
      const m = el("i", "m"), d = el("i", "d"), k = el("i", "c");
      m.style.width = 100 * (up === 0 ? 0 : log) / most + "%";
      d.style.width = 100 * disk / most + "%";
      k.style.left = `calc(${100 * commit / most}% - 1px)`;
      bar.append(m, d);
      if (up !== 0) bar.append(k);
      c.append(bar);
      row.append(c);
      t.append(row);
    }
    const box = el("div");
    box.append(t, el("p", "hint", "Filled: on the disk. Striped: only in memory, gone with a crash. Upright line: what this replica believes committed."));
    $("state").replaceChildren(box);
  }

  (D.story || []).forEach((l, i) => {
    const li = el("li", l.a === D.here ? "here" : "");
    li.tabIndex = 0;
    li.append(el("span", "no", i + 1), el("span", "at", seconds(S[l.a].t)), el("span", "what", l.x));
    li.addEventListener("click", () => select(l.a, true));
    li.addEventListener("keydown", e => { if (e.key === "Enter") select(l.a, true); });
    $("story").append(li);
  });

  (function key() {
    const items = [
      ["leads", '<line class="life lead" x1="0" x2="22" y1="7" y2="7"/>'], ["stands for election", '<line class="life cand" x1="0" x2="22" y1="7" y2="7"/>'],
      ["follows", '<line class="life" x1="0" x2="22" y1="7" y2="7"/>'], ["down", '<line class="life down" x1="0" x2="22" y1="7" y2="7"/>'],
      ["append", '<line class="mail append" x1="0" x2="22" y1="7" y2="7"/>'], ["reply", '<line class="mail reply" x1="0" x2="22" y1="7" y2="7"/>'],
      ["votes", '<line class="mail election" x1="0" x2="22" y1="7" y2="7"/>'], ["clients", '<line class="mail client" x1="0" x2="22" y1="7" y2="7"/>'],
      ["lost", '<line class="mail lost" x1="0" x2="22" y1="7" y2="7"/><path class="tip bad" d="M14 3 l8 8 m0 -8 l-8 8"/>'],
      ["double or late", '<line class="mail append double" x1="0" x2="22" y1="7" y2="7"/>'], ["a save on its way to the disk", '<rect class="save durable" x="0" y="4" width="22" height="6" rx="2"/>'],
      ["a save lost in a crash", '<rect class="save gone" x="1" y="4" width="20" height="6" rx="2"/>'], ["log on disk", '<rect class="ondisk" x="0" y="1" width="22" height="12"/>'],
      ["log in memory", '<line class="inmem" x1="0" x2="22" y1="7" y2="7"/>'], ["committed", '<line class="commitline" x1="0" x2="22" y1="7" y2="7"/>'], ["fault", '<rect class="fault" x="0" y="1" width="22" height="12"/>'],
    ];
    for (const [text, drawing] of items) {
      const s = el("span");
      s.innerHTML = '<svg width="24" height="14">' + drawing + "</svg>"; // ours, nothing of the run
      s.append(text);
      $("key").append(s);
    }
  })();

  addEventListener("keydown", e => {
    if (e.key !== "ArrowLeft" && e.key !== "ArrowRight" || e.target.closest("input, button")) return;
    const k = shown.indexOf(state.sel), next = shown[Math.max(0, Math.min(shown.length - 1, k + (e.key === "ArrowLeft" ? -1 : 1)))];
    if (next !== undefined) {
      select(next, true);
      e.preventDefault();
    }
  });
  draw();
  if (!narrow && layout.width > $("scroll").clientWidth) {
    state.zoom = Math.max(.6, $("scroll").clientWidth / layout.width);
    draw();
  }
  select(D.here);
  reveal(D.here);
})();
