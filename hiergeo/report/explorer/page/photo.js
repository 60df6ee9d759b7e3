// @ts-check
// Photos on their way to the server: turned upright, made small before they are sent, and refused in one sentence.

import { h } from "./dom.js";
import { encoded } from "./files.js";

/** Longest side, in pixels, of what is sent: models look at far fewer. */
export const SIDE = 1024;

/** Bytes of a file that is opened at all. */
const LARGEST = 1 << 26;

const QUALITY = 0.92;

/**
 * A photo as it is sent: as it is where it is small, else at most `SIDE` pixels a side as a JPEG, turned as its EXIF data says.
 * @param {File | Blob} file
 * @param {{image_bytes?: number}} limits of the server
 * @returns {Promise<{photo: Blob, name: string}>} a query
 */
export async function prepared(file, limits) {
  const name = file instanceof File && file.name ? file.name : "pasted photo";
  const most = limits.image_bytes ?? 1 << 23;
  if (!file.size) throw new Error("This file is empty: choose a photo.");
  if (file.size > LARGEST)
    throw new Error(`This photo has ${megabytes(file.size)} and may have ${megabytes(LARGEST)}: make it smaller first.`);
  const picture = await decoded(file);
  if (!picture) {
    if (!file.type.startsWith("image/")) throw new Error("This file is not a photo: choose a JPEG, PNG or WebP.");
    return sent(file, name, most);
  }
  const longest = Math.max(picture.width, picture.height);
  if (longest <= SIDE && file.size <= most) {
    picture.close();
    return { photo: file, name };
  }
  return sent(await shrunk(picture, SIDE / Math.max(longest, SIDE)), name, most);
}

function sent(photo, name, most) {
  if (photo.size > most)
    throw new Error(`This photo has ${megabytes(photo.size)}, and the server takes ${megabytes(most)}: make it smaller first.`);
  return { photo, name };
}

/** The picture in a file, or null where the browser cannot read it; the server may. */
async function decoded(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
}

function shrunk(picture, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * picture.width));
  canvas.height = Math.max(1, Math.round(scale * picture.height));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to make the photo smaller: choose a smaller one.");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return encoded(canvas, "image/jpeg", QUALITY);
}

/** Whether the browser lets a page look through a camera. */
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia && window.HTMLDialogElement);

/** A photo taken by the camera, in a dialog. @returns {Promise<File>} never, where the dialog is closed without one */
export async function snapshot() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).catch(() => {
    throw new Error("This page may not look through the camera: allow it in the browser, or choose a photo.");
  });
  const film = h("video", { autoplay: true, playsinline: true, "aria-label": "What the camera sees" });
  film.muted = true;
  film.srcObject = stream;
  const shoot = h("button", { type: "button", class: "button go" }, "Take the photo");
  const dialog = h("dialog", { class: "camera", "aria-label": "Camera" }, film,
    h("form", { method: "dialog", class: "map-buttons" }, shoot, h("button", { class: "button" }, "Cancel")));
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    for (const track of stream.getTracks()) track.stop();
    dialog.remove();
  });
  dialog.showModal();
  return new Promise((taken, failed) =>
    shoot.addEventListener("click", async () => {
      try {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [film.videoWidth, film.videoHeight];
        canvas.getContext("2d")?.drawImage(film, 0, 0);
        taken(new File([await encoded(canvas, "image/jpeg", QUALITY)], "photo from the camera.jpg", { type: "image/jpeg" }));
      } catch (error) {
        failed(error);
      }
      dialog.close();
    }),
  );
}

/** URLs of photos that were shown; photos are kept while the page is open, for the back button. @type {WeakMap<Blob, string>} */
const URLS = new WeakMap();

/** A photo that is asked, as it is shown. @param {Blob} photo @param {string} [alt] empty beside words that say what it is @returns {HTMLElement} */
export function preview(photo, alt = "") {
  const url = URLS.get(photo) ?? URL.createObjectURL(photo);
  URLS.set(photo, url);
  return h("img", { class: "preview", alt, src: url });
}

function megabytes(bytes) {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

/** Take photos that are dropped anywhere on the page or pasted. @param {(file: File) => void} take */
export function takePhotos(take) {
  const page = document.documentElement;
  let inside = 0;
  const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const leave = () => {
    inside = 0;
    page.classList.remove("dropping");
  };
  page.addEventListener("dragenter", (event) => {
    if (!holdsFile(event)) return;
    inside += 1;
    page.classList.add("dropping");
  });
  page.addEventListener("dragleave", (event) => {
    if (holdsFile(event) && (inside -= 1) <= 0) leave();
  });
  page.addEventListener("dragover", (event) => {
    if (holdsFile(event)) event.preventDefault();
  });
  page.addEventListener("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    leave();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) take(file);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
