// @ts-check
/** Of several answers that are waited for in one place, only that to the last request counts. */

/**
 * A place that shows the answer to its last request: neither an answer nor an error of an earlier one is shown.
 * @returns {(work?: any, shown?: (value: any) => void, failed?: (error: Error) => void) => Promise<boolean>} waits for
 *   `work`, a promise or a value, and passes it on; what it returns says whether that request was still the last. Without
 *   work, what was asked before is not wanted any more
 */
export function latest() {
  let last = 0;
  return async (work, shown = () => {}, failed = () => {}) => {
    const own = (last += 1);
    try {
      const value = await work;
      if (own === last) shown(value);
    } catch (error) {
      if (own === last) failed(/** @type {Error} */ (error));
    }
    return own === last;
  };
}
