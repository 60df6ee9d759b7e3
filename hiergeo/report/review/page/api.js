// @ts-check
// What the server knows and keeps. The token, if there is one, is in the fragment of the address.

const token = new URLSearchParams(location.hash.slice(1)).get("token");

/** An answer that is no success; `status` is 0 where the server was not reached. */
export class Failure extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
async function asked(path, init = {}) {
  const headers = new Headers(init.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  let response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch {
    throw new Failure(0, "The server does not answer. Nothing was saved: start it again, then try again.");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => ({ error: `the server answered ${response.status}.` }));
    throw new Failure(response.status, told.error);
  }
  return response;
}

/** @param {string} path */
export async function got(path) {
  return (await asked(path)).json();
}

/** @param {string} name @param {object} values */
export async function posted(name, values) {
  const headers = { "Content-Type": "application/json" };
  return (await asked(`api/${name}`, { method: "POST", headers, body: JSON.stringify(values) })).json();
}

/** The address of the picture of a row, to be revoked by who uses it. @param {number} row */
export async function picture(row) {
  return URL.createObjectURL(await (await asked(`api/picture/${row}`)).blob());
}
