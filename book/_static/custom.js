// Small things the theme does not do by itself.

// Browsers let no page opened from a disk read another one, which the search does for its excerpts: list titles only.
if (window.location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined")
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Whatever scrolls sideways must be reachable with the keyboard as well.
function reachWithKeyboard() {
  for (const box of document.querySelectorAll("pre, .cell_output, .pst-scrollable-table-container, mjx-container[display=true]"))
    if (box.scrollWidth > box.clientWidth + 1 && !box.hasAttribute("tabindex")) box.tabIndex = 0;
}
window.addEventListener("load", reachWithKeyboard);
window.addEventListener("resize", reachWithKeyboard);

// Paper is white: print in light colours, widgets included, and go back to the reader's choice afterwards.
const paper = window.matchMedia("print");
let screenTheme = null;
function usePaper(printing) {
  const root = document.documentElement;
  if (printing && screenTheme === null) {
    screenTheme = root.dataset.theme;
    root.dataset.theme = "light";
  } else if (!printing && screenTheme !== null) {
    root.dataset.theme = screenTheme;
    screenTheme = null;
  }
}
paper.addEventListener("change", () => usePaper(paper.matches));
window.addEventListener("beforeprint", () => usePaper(true));
window.addEventListener("afterprint", () => usePaper(false));
