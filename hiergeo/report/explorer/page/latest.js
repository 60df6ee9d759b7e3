// @ts-check
/** Of several answers that are waited for in one place, only that to the last request counts. */

/**
 * A place that shows one answer. Each call begins a request and makes all earlier ones of the place stale.
 *
 * @returns {() => () => boolean} begins a request; what it returns tells whether that request is still the last
 */
export function latest() {
  let last = 0;
  return () => {
    const own = (last += 1);
    return () => own === last;
  };
}

/**
 * A place that shows the answer to its last request: neither an answer nor an error of an earlier one is shown.
 *
 * @returns {(work: any, shown: (value: any) => void, failed: (error: Error) => void) => Promise<boolean>} waits for `work`, a
 *   promise or a value, and passes it on; what it returns says whether that request was still the last
 */
export function lastAnswer() {
  const begin = latest();
  return async (work, shown, failed) => {
    const current = begin();
    try {
      const value = await work;
      if (current()) shown(value);
    } catch (error) {
      if (current()) failed(/** @type {Error} */ (error));
    }
    return current();
  };
}
