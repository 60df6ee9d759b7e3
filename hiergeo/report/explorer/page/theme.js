// @ts-check
// Light, dark, or as the system has it. A classic script in the head, so that the first paint has the right colours.
"use strict";
(() => {
  const KEY = "hiergeo-theme";
  const THEMES = ["auto", "light", "dark"];
  const page = document.documentElement;
  const show = (theme) => (theme === "auto" ? delete page.dataset.theme : (page.dataset.theme = theme));

  /** Read or write the choice; where storage is switched off, it lasts as long as the page. */
  function stored(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      return localStorage.getItem(KEY) ?? "";
    } catch {
      return "";
    }
  }

  function choice(theme, chosen) {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "theme", value: theme, checked: theme === chosen });
    input.addEventListener("change", () => {
      stored(theme);
      show(theme);
    });
    const label = document.createElement("label");
    label.append(input, Object.assign(document.createElement("span"), { textContent: theme }));
    return label;
  }

  const theme = THEMES.includes(stored()) ? stored() : "auto";
  show(theme);
  addEventListener("DOMContentLoaded", () => {
    const field = document.getElementById("theme");
    if (!field) return;
    field.append(...THEMES.map((each) => choice(each, theme)));
    field.hidden = false;
  });
})();
