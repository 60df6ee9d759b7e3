// @ts-check
// Light, dark, or as the system has it. A classic script in the head, so that the first paint has the right colours.
"use strict";
(() => {
  const KEY = "hiergeo-theme";
  const THEMES = ["auto", "light", "dark"];
  const page = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the choice lasts as long as the page
    }
  }

  function store(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      return;
    }
  }

  function show(theme) {
    if (theme === "auto") delete page.dataset.theme;
    else page.dataset.theme = theme;
    page.dispatchEvent(new CustomEvent("theme", { detail: theme }));
  }

  function choice(theme, chosen) {
    const input = Object.assign(document.createElement("input"), {
      type: "radio",
      name: "theme",
      value: theme,
      checked: theme === chosen,
    });
    input.addEventListener("change", () => {
      store(theme);
      show(theme);
    });
    const words = Object.assign(document.createElement("span"), { textContent: theme });
    const label = document.createElement("label");
    label.append(input, words);
    return label;
  }

  const kept = stored() ?? "";
  const theme = THEMES.includes(kept) ? kept : "auto";
  show(theme);
  addEventListener("DOMContentLoaded", () => {
    const field = document.getElementById("theme");
    if (!field) return;
    field.append(...THEMES.map((each) => choice(each, theme)));
    field.hidden = false;
  });
})();
