// A page that is served is loaded again when its runs have gone on, and stays where its reader is.

const SERVED = document.documentElement.dataset.live;
const at = (id) => document.getElementById(id); // this script also stands alone
const PLACE = "vlreward-place";
let paused = false;

function keepPlace() {
  const tops = Object.fromEntries(["list", "detail"].map((id) => [id, at(id) ? at(id).scrollTop : 0]));
  sessionStorage.setItem(PLACE, JSON.stringify({ ...tops, y: scrollY, pane: at("browser") && at("browser").dataset.pane }));
}

function takePlace() {
  const kept = SERVED && JSON.parse(sessionStorage.getItem(PLACE));
  if (!kept) return;
  sessionStorage.removeItem(PLACE);
  if (at("browser")) {
    at("browser").dataset.pane = kept.pane;
    for (const id of ["list", "detail"]) at(id).scrollTop = kept[id];
  }
  scrollTo({ top: kept.y, behavior: "instant" });
}

// Nothing moves under a reader who types, selects or looks closely.
function busy() {
  const field = document.activeElement && document.activeElement.closest("input:not([type=radio]), select");
  return paused || document.hidden || field || document.querySelector("dialog[open]") || !getSelection().isCollapsed;
}

async function watch() {
  const said = at("live-state");
  try {
    const { token } = await (await fetch("state")).json();
    said.textContent = token === SERVED ? "Live: up to date" : "Live: the run has gone on";
    if (token !== SERVED && !busy()) {
      keepPlace();
      location.reload();
      return;
    }
  } catch {
    said.textContent = "Not live any more: the server has ended";
  }
  setTimeout(watch, 2000);
}

if (SERVED) {
  const hold = at("hold");
  hold.addEventListener("click", () => {
    paused = !paused;
    hold.textContent = paused ? "Go on" : "Pause";
  });
  setTimeout(watch, 2000);
}
