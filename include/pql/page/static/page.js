// Two conveniences; the page does everything without them.

// 1. Airflow's own theme, which it keeps in this origin's storage ("light", "dark" or "system").
function theme() {
  let chosen = "";
  try { chosen = localStorage.getItem("theme") || ""; } catch { /* storage is closed: the system's theme it is */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
}
theme();
addEventListener("storage", (event) => { if (event.key === "theme") theme(); });

// 2. Airflow shows the page in a frame that may not open windows, so links to Slack and the CRM are opened by Airflow's
//    own document, which has the same origin.
addEventListener("click", (event) => {
  const link = event.target.closest("a.out");
  if (!link || window.parent === window || !/^https?:/.test(link.href)) return;
  try {
    const outside = window.parent.document.createElement("a");
    outside.href = link.href;
    outside.target = "_blank";
    outside.rel = "noopener noreferrer";
    event.preventDefault();
    outside.click();
  } catch { /* framed by another origin: the link stays an ordinary one */ }
});

addEventListener("DOMContentLoaded", () => {
  for (const all of document.querySelectorAll("input.all")) {
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const box of all.form.querySelectorAll("input[name=id]")) box.checked = all.checked;
    });
  }
});
