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
