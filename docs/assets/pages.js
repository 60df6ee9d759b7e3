// Code and tables that are wider than the page scroll by the keyboard, and the bars of code blocks have names of their own.
function name() {
  document.querySelectorAll(".md-typeset :is(pre > code, .md-typeset__scrollwrap):not([tabindex])").forEach((each) => (each.tabIndex = 0));
  document.querySelectorAll(".md-code__nav:not([aria-label])").forEach((each) => {
    name.count = (name.count ?? 0) + 1;
    each.setAttribute("aria-label", `Code ${name.count}`);
  });
}
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
name();
