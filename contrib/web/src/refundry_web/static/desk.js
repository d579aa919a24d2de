// What the pages gain by scripts: buttons that copy, and a refund that is shown anew when something was heard.
// Without scripts the text can be selected, and the page shown again.

const EVERY = 2500; // milliseconds
const said = document.getElementById("said");

function say(text) {
  if (said) said.textContent = text;
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.textContent.trim().replace(/\s+/g, " ");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(source); // the browser refuses: Ctrl-C then copies it
    say("Selected: copy it with the keyboard");
    return;
  }
  const label = button.textContent;
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => (button.textContent = label), 1600);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

function reveal(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

function replace(region, html) {
  const focused = document.activeElement?.id;
  const open = [...region.querySelectorAll("details[open][id]")].map((one) => one.id);
  region.innerHTML = html; // the server's own page, escaped there
  reveal(region);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}

async function follow(region) {
  let version = region.dataset.version;
  let wait = EVERY;
  for (;;) {
    await new Promise((done) => setTimeout(done, wait));
    if (document.hidden) continue;
    try {
      const newest = await ask(region.dataset.watch);
      wait = EVERY;
      if (newest === version) continue;
      replace(region, await ask(region.dataset.live));
      version = newest;
      say("The refund was updated");
    } catch {
      wait = Math.min(wait * 2, 60000); // signed out, or the desk is away
    }
  }
}

reveal(document);
for (const region of document.querySelectorAll("[data-live]")) follow(region);
