// @ts-check
// The packed files of a page without a server, read into typed arrays; hiergeo/report/explorer/packing.py describes them.

const NOBODY = 0xffff;
const UNSEEN = 0xffffffff;

/** Reads arrays one after the other. @param {ArrayBuffer} content */
function reader(content) {
  let offset = 0;
  return (Kind, count) => {
    const found = new Kind(content, offset, count);
    offset += found.byteLength;
    return found;
  };
}

/** Answers of up to a few hundred items. @param {ArrayBuffer} content */
export function readAnswers(content) {
  const next = reader(content);
  const [n, k, total] = next(Uint32Array, 3);
  const numbers = (size) => ({ angle: next(Float32Array, size), distance: next(Float32Array, size), margin: next(Float32Array, size) });
  const counts = next(Uint32Array, n);
  const lists = { children: numbers(n * k), parents: numbers(n * k), neighbours: numbers(n * k) };
  const climbs = { ...numbers(total), from: next(Float32Array, total), to: next(Float32Array, total) };
  const first = next(Uint32Array, n + 1);
  const hits = { children: next(Uint16Array, n * k), parents: next(Uint16Array, n * k), neighbours: next(Uint16Array, n * k) };
  const rungs = next(Uint16Array, total);
  const entry = (held, at, place) => ({ place, margin: held.margin[at], angle: held.angle[at], distance: held.distance[at] });

  return {
    counts,
    /** The hits of a row, best first. */
    list(kind, row) {
      const found = [];
      for (let at = row * k; at < (row + 1) * k && hits[kind][at] !== NOBODY; at += 1) found.push(entry(lists[kind], at, hits[kind][at]));
      return found;
    },
    /** The rungs of a row, each with the first and the last threshold at which its item is the nearest. */
    ladder(row) {
      const found = [];
      for (let at = first[row]; at < first[row + 1]; at += 1)
        found.push({ from: climbs.from[at], to: climbs.to[at], ...entry(climbs, at, rungs[at]) });
      return found;
    },
  };
}

/**
 * Ids, captions, tiers and kinds.
 * @param {{ids: string[], captions: (string | null)[], said: (string | null)[]}} named
 * @param {ArrayBuffer} content uint32 numbers of pictures, int8 tiers, uint8 1 for an item of an image
 * @param {(text: string) => string} folded how captions are compared
 */
export function readItems({ ids, captions, said }, content, folded) {
  const next = reader(content);
  const picture = next(Uint32Array, ids.length);
  const tier = next(Int8Array, ids.length);
  const image = next(Uint8Array, ids.length);
  return {
    ids,
    captions,
    said,
    tier,
    image: (place) => image[place] === 1,
    /** The number of the picture of an item; null for an item without one. */
    picture: (place) => (picture[place] === UNSEEN ? null : picture[place]),
    folded: captions.map((caption) => folded(caption ?? "")),
    places: new Map(ids.map((id, place) => [id, place])),
  };
}

/** The pictures of a file, each as the bytes of an image. @param {ArrayBuffer} content */
export function readPictures(content) {
  const next = reader(content);
  const [count] = next(Uint32Array, 1);
  const ends = next(Uint32Array, count);
  const begin = 4 * (count + 1);
  return Array.from(ends, (end, i) => content.slice(begin + (i ? ends[i - 1] : 0), begin + end));
}
