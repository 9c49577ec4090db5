// What is in sight. Wide pages show everything; narrow ones one of four.
import { computed, signal } from "/desk/assets/lib/html.js";

const wide = matchMedia("(min-width: 72.01rem)");

/** `phone`, `desk`, `wire` or `guide`. */
export const view = signal("phone");

const isWide = signal(wide.matches);
const isOpen = signal(!document.hidden);
export const isPhoneInView = computed(() => isOpen.value && (isWide.value || view.value === "phone"));

wide.addEventListener("change", () => (isWide.value = wide.matches));
document.addEventListener("visibilitychange", () => (isOpen.value = !document.hidden));
