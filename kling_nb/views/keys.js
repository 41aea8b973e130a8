/* Whose keys they are: JupyterLab's commands of one key (X cuts the cell, B adds one) are not for what has the focus here. */

/**
 * Keep plain keys from JupyterLab while the focus is in `root`; Ctrl+S still saves. It hears keys before what is inside
 * it, and leaves them alone only where the element that has the focus says so. Returns what undoes that.
 */
function keepKeys(root) {
  let marked = root;
  const hear = ({ target, ctrlKey, metaKey, altKey }) => {
    marked.removeAttribute("data-lm-suppress-shortcuts"); // it may lie above what has the focus now
    if (!root.contains(target)) return;
    marked = target;
    marked.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey || altKey));
  };
  window.addEventListener("keydown", hear, true);
  return () => window.removeEventListener("keydown", hear, true);
}
