"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("#differences > tbody > tr")];
  const show = () => {
    const text = form.elements.text.value.trim().toLowerCase();
    const verdict = form.elements.verdict.value;
    const account = form.elements.account.value;
    let shown = 0;
    for (const row of rows) {
      const fits = (!verdict || row.dataset.verdict === verdict) && (!account || row.dataset.account === account)
        && (!text || row.textContent.toLowerCase().includes(text));
      row.hidden = !fits;
      shown += fits;
    }
    form.querySelector("output").textContent = `${shown} of ${rows.length} shown`;
  };
  form.addEventListener("input", show);
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
