// @ts-check
/** The photos of a tab: they are too long for a URL, so that its history names them, and they are kept over a reload. */

/** Where they are kept while the tab is open. */
const KEY = "hiergeo-photos";

/** Characters that all kept photos may have; the oldest go first. */
const ROOM = 4_000_000;

/** @typedef {{photo: Blob, name: string}} Photo  a query */

export class Photos {
  /** @param {Window} page */
  constructor(page) {
    this.page = page;
    /** @type {Map<string, Photo>} */
    this.held = new Map(this.stored().map(({ id, name, url }) => [id, Object.freeze({ photo: blobOf(url), name })]));
  }

  /** What names a photo in the history; a new one is kept. @param {Photo} query @returns {string} */
  nameOf(query) {
    for (const [id, each] of this.held) if (each.photo === query.photo) return id;
    const id = String(Math.random());
    this.held.set(id, query);
    const reader = new FileReader();
    reader.onload = () => this.keep({ id, name: query.name, url: String(reader.result) });
    reader.readAsDataURL(query.photo);
    return id;
  }

  /** @param {string} id @returns {Photo | undefined} */
  get(id) {
    return this.held.get(id);
  }

  /** @returns {{id: string, name: string, url: string}[]} oldest first */
  stored() {
    try {
      return JSON.parse(this.page.sessionStorage.getItem(KEY) ?? "[]");
    } catch {
      return []; // storage is switched off: photos last as long as the page
    }
  }

  /** @param {{id: string, name: string, url: string}} photo */
  keep(photo) {
    const kept = [...this.stored(), photo];
    while (kept.reduce((sum, { url }) => sum + url.length, 0) > ROOM) kept.shift();
    try {
      this.page.sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // as above, or there is less room than a photo needs
    }
  }
}

/** @param {string} url of data */
function blobOf(url) {
  const [head, body] = url.split(",");
  return new Blob([Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0))], { type: head.slice(5).split(";")[0] });
}
