// The page works without this script. It adds the choice of colours, the
// filters of the findings, and opens all details for print.
"use strict";
(function () {
  const root = document.documentElement, by = (id) => document.getElementById(id);

  const theme = by("theme"), night = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (night.matches ? "dark" : "light")) === "dark";
  const label = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); });
  night.addEventListener("change", label);
  theme.setAttribute("aria-description", "Switches the colours of the page");
  theme.hidden = false;
  label();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); });

  const open = () => {
    const row = /^#step-\d+$/.test(location.hash) && by(location.hash.slice(1));
    if (row) row.querySelector("details").open = true;
  };
  addEventListener("hashchange", open);
  open();

  const form = by("filter");
  if (!form) return;
  const fields = ["f-severity", "f-stage", "f-verdict"].map(by), text = by("f-text"), count = by("f-count");
  const rows = [...by("rows").tBodies[0].rows].map((row) => ({
    row, kind: row.dataset.f.split(" "), text: row.textContent.toLowerCase(),
  }));
  const apply = () => {
    const want = fields.map((f) => f.value), words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const r of rows) {
      const ok = want.every((w, i) => !w || r.kind[i] === w) && words.every((w) => r.text.includes(w));
      r.row.hidden = !ok;
      if (ok) shown++;
    }
    count.textContent = shown + " of " + rows.length + " shown";
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (e) => e.preventDefault());
  form.hidden = false;
  apply();
})();
