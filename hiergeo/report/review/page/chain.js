// @ts-check
// A chain on the page: its picture, its texts side by side with what the judge said, as text or as fields.
import { caption, counted, fill, h } from "./dom.js";
import { picture } from "./api.js";

const LONGEST = 1000;

/** Characters of a line of a field, about. */
const CHARACTERS = 36;

/** The picture that is shown, to be revoked. @type {string | null} */
let shown = null;

/** Words for the states of a row. */
export const STATE = {
  undecided: "undecided",
  edited: "edited, undecided",
  accept: "accepted",
  reject: "rejected",
};

/**
 * Show a row.
 *
 * @param {HTMLElement} place
 * @param {any} row as the server describes it
 * @param {{of: string, editing: boolean, me: string, mine: any}} how
 * @param {HTMLElement[]} below what stands below the texts
 */
export function show(place, row, how, below) {
  const own = row.verdicts.find((each) => each.reviewer === how.me);
  const state = own ? STATE[own.kind] : row.state === "edited" ? STATE.edited : STATE.undecided;
  fill(
    place,
    h(
      "article",
      { class: "chain", "aria-labelledby": "row" },
      h(
        "header",
        { class: "head" },
        h("h2", { id: "row" }, `Row ${row.row} `, h("span", { class: "of" }, how.of)),
        h("p", { class: `state ${own ? own.kind : row.state === "edited" ? "edited" : "undecided"}` }, state),
      ),
      h("div", { class: "sides" }, framed(row), texts(row, how.editing), below),
    ),
  );
}

function framed(row) {
  const frame = h("figure", { class: "frame" });
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
  const address = row.image ? h("figcaption", { title: row.image }, caption(row.image.split(/[/\\]/).pop(), 60)) : null;
  if (!row.picture) {
    frame.append(h("p", { class: "empty" }, row.image ? "The picture is not on this machine." : "No picture."));
    if (address) frame.append(address);
    return frame;
  }
  const image = h("img", { alt: `Picture of row ${row.row}` });
  frame.append(image, address ?? "");
  picture(row.row).then(
    (url) => {
      if (!image.isConnected) return URL.revokeObjectURL(url);
      shown = url;
      image.src = url;
    },
    (error) => image.replaceWith(h("p", { class: "failed" }, error.message)),
  );
  return frame;
}

function texts(row, editing) {
  const head = h(
    "tr",
    null,
    h("th", { scope: "col" }, "Tier"),
    h("th", { scope: "col" }, "General to specific"),
    row.negative && h("th", { scope: "col" }, "Contradicts it"),
  );
  const rows = row.positive.map((text, tier) =>
    h(
      "tr",
      { class: `tier${Math.min(tier, 3)}` },
      h("th", { scope: "row" }, String(tier)),
      cell(row, "positive", tier, text, editing),
      row.negative && cell(row, "negative", tier, row.negative[tier], editing),
    ),
  );
  return h("table", { class: "texts" }, h("thead", null, head), h("tbody", null, rows));
}

function cell(row, side, tier, text, editing) {
  const positive = side === "positive";
  const label = `${positive ? "Positive" : "Negative"} text of tier ${tier}`;
  if (editing) {
    const field = h("textarea", {
      class: "field",
      rows: String(Math.min(8, Math.max(1, Math.ceil(text.length / CHARACTERS)))),
      maxlength: String(LONGEST),
      "aria-label": label,
      "data-side": side,
      value: text,
    });
    return h("td", { class: side, "data-label": positive ? "" : "but not" }, field);
  }
  const before = row.built[side]?.[tier];
  const changed = before !== text && h("del", { "aria-label": "before" }, caption(before, 200));
  return h(
    "td",
    { class: side, "data-label": positive ? "" : "but not" },
    h("p", { class: "told" }, caption(text, LONGEST)),
    changed && h("p", { class: "before" }, "was ", changed),
    judged(row, side, tier),
  );
}

/** What the judge said of a text, unless it or what it was compared with has been edited since. */
function judged(row, side, tier) {
  const compared = side === "positive" ? [["positive", tier - 1]] : [["positive", tier]];
  const changed = ([of, at]) => row[of]?.[at] !== row.built[of]?.[at];
  if ([[side, tier], ...compared].some(changed)) return null;
  const value = side === "positive" ? row.entailment[tier - 1] : row.contradiction[tier];
  if (value === undefined || value === null) return null;
  const words = side === "positive" ? `entails tier ${tier - 1}` : "contradicts";
  return h(
    "p",
    { class: value < 0.75 ? "score doubtful" : "score" },
    h("meter", { min: "0", max: "1", value: String(value), "aria-label": words }),
    ` ${words}: ${value.toFixed(2)}`,
  );
}

/** What others said of the row, which is shown once the reviewer has decided. @param {any} row @param {string} me */
export function others(row, me) {
  if (!row.verdicts.some((each) => each.reviewer === me)) return null;
  const told = row.verdicts.filter((each) => each.reviewer !== me);
  if (!told.length) return null;
  return h(
    "p",
    { class: "help" },
    `${counted(told.length, "other reviewer")}: `,
    told.map((each, place) => [place > 0 && ", ", caption(each.reviewer, 64), ` ${STATE[each.kind]}`]),
  );
}
