/* What can be seen of a page only where it is laid out. Each check returns plain findings. */
window.looking = (() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const name = (element) => `<${element.tagName.toLowerCase()}> ${element.textContent.trim().replace(/\s+/g, " ").slice(0, 50)}`;
  const box = (element) => element.getBoundingClientRect();
  const shown = (element) => element.checkVisibility() && box(element).width > 1 && box(element).height > 1;

  const unfold = () => all("details").forEach((details) => { details.open = true; });

  /* Nothing but a table, a drawing or code may be wider than the window (WCAG 1.4.10). */
  const reflow = () => {
    const wide = document.documentElement.scrollWidth - window.innerWidth;
    return wide > 0 ? [`the page is ${wide} pixels wider than a window of ${window.innerWidth}`] : [];
  };

  /* With the widest spacing that a reader may ask for, no text is cut off (WCAG 1.4.12). */
  const spacing = () => {
    const style = document.createElement("style");
    style.textContent = "body * { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; } svg * { letter-spacing: normal !important; word-spacing: normal !important; }";
    document.head.append(style);
    const cut = all("body *:not(svg *)").filter((element) => {
      const { overflowX, overflowY } = getComputedStyle(element);
      return shown(element)
        && ((/hidden|clip/.test(overflowX) && element.scrollWidth > element.clientWidth + 1)
          || (/hidden|clip/.test(overflowY) && element.scrollHeight > element.clientHeight + 1));
    });
    const found = [...reflow().map((finding) => `with wide spacing ${finding}`), ...cut.map((element) => `wide spacing cuts off ${name(element)}`)];
    style.remove();
    return found;
  };

  /* What scrolls can be reached and scrolled with a keyboard, and says what it is. */
  const regions = () => all("body *").filter((element) => {
    const { overflowX, overflowY } = getComputedStyle(element);
    return shown(element)
      && ((/auto|scroll/.test(overflowX) && element.scrollWidth > element.clientWidth + 1)
        || (/auto|scroll/.test(overflowY) && element.scrollHeight > element.clientHeight + 1));
  }).flatMap((element) => [
    ...(element.tabIndex < 0 ? [`it scrolls, but not with a keyboard: ${name(element)}`] : []),
    ...(/^(PRE|CODE)$/.test(element.tagName) || element.ariaLabel || element.hasAttribute("aria-labelledby") ? [] : [`it scrolls, and has no name: ${name(element)}`]),
  ]);

  /* Everything that takes the focus shows it. Asked after a key was pressed. */
  const focus = () => all("a[href], summary, [tabindex='0']").filter(shown).filter((element) => {
    document.activeElement.blur();
    const bare = getComputedStyle(element).boxShadow;
    element.focus();
    const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(element);
    const outlined = outlineStyle === "auto" || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && !/, 0\)$/.test(outlineColor));
    return document.activeElement !== element || !(outlined || (boxShadow !== "none" && boxShadow !== bare));
  }).map((element) => `the focus cannot be seen: ${name(element)}`);

  /* What is read first stands first: blocks follow each other down the page; those with nothing
     above or below one another stand side by side. */
  const order = () => {
    window.scrollTo(0, 0);
    const before = [];
    return all("h1, h2, h3, h4, p, li, table, svg, pre, summary", document.querySelector("main"))
      .filter((element) => shown(element) && getComputedStyle(element).position === "static" && !element.closest(".files, tr, .highlight"))
      .flatMap((element) => {
        const { top, left, right } = box(element);
        const above = before.filter((other) => Math.min(right, other.right) - Math.max(left, other.left) > 1);
        const early = above.some((other) => other.top > top + 2);
        before.push({ top, left, right });
        return early ? [`it stands above what is read before it: ${name(element)}`] : [];
      });
  };

  const colour = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const under = (x, y) => {
    for (const element of document.elementsFromPoint(x, y)) {
      const { fill } = getComputedStyle(element);
      if (element.closest("svg") && !element.closest("text, svg:is(:hover)") && element.tagName !== "svg" && element.tagName !== "g" && fill !== "none") return colour(fill);
    }
    return [255, 255, 255];
  };

  /* Labels of drawings: in contrast with what they stand on, inside, and never on one another. */
  const drawings = () => all("svg").filter(shown).flatMap((svg) => {
    svg.scrollIntoView({ block: "start", inline: "start" });
    const labels = all("text", svg).filter((text) => text.textContent.trim());
    const frame = box(svg);
    const found = [];
    labels.forEach((label, place) => {
      const { left, right, top, bottom } = box(label);
      if (left < frame.left - 1.5 || right > frame.right + 1.5 || top < frame.top - 1.5 || bottom > frame.bottom + 1.5) found.push(`a label leaves its drawing: ${label.textContent}`);
      const ink = colour(getComputedStyle(label).fill);
      const faint = [0.05, 0.5, 0.95].some((share) => {
        const x = left + share * (right - left);
        return contrast(ink, under(x, (top + bottom) / 2)) < 4.5;
      });
      if (faint) found.push(`a label is too faint: ${label.textContent}`);
      labels.slice(place + 1).forEach((other) => {
        const b = box(other);
        const across = Math.min(right, b.right) - Math.max(left, b.left);
        const down = Math.min(bottom, b.bottom) - Math.max(top, b.top);
        if (across > 1 && down > 3) found.push(`two labels lie on one another: ${label.textContent} and ${other.textContent}`);
      });
    });
    return found;
  });

  const readable = (element) => {
    for (let behind = element; behind; behind = behind.parentElement) {
      const { backgroundColor } = getComputedStyle(behind);
      if (!/, 0\)$/.test(backgroundColor)) return contrast(colour(getComputedStyle(element).color), colour(backgroundColor)) >= 4.5;
    }
    return false;
  };

  /* axe cannot judge the contrast of text on a gradient, beyond the edge of the window or in a
     drawing: gradients go, what scrolls is laid open, what is left is worked out here, and drawings
     are looked at above. */
  const axed = async (tags) => {
    const style = document.createElement("style");
    style.textContent = "* { background-image: none !important; } [role=region], pre { overflow: visible !important; }";
    document.head.append(style);
    const asked = { runOnly: tags, resultTypes: ["violations", "incomplete"], elementRef: true };
    const { violations, incomplete } = await axe.run(document, asked);
    const told = (rule, nodes) => `${rule.id} (${nodes.length}): ${nodes[0].html.replace(/\s+/g, " ").slice(0, 120)}`;
    const settled = ({ id }, { element }) => id === "color-contrast" && (element.closest("svg") || readable(element));
    const open = incomplete.map((rule) => [rule, rule.nodes.filter((node) => !settled(rule, node))]);
    style.remove();
    return [
      ...violations.map((rule) => `axe, ${told(rule, rule.nodes)}`),
      ...open.filter(([, nodes]) => nodes.length).map(([rule, nodes]) => `axe cannot tell, ${told(rule, nodes)}`),
    ];
  };

  /* The link to the content, seen while it has the focus; and where it leads. */
  const skips = (element) => element.getAttribute("href") === "#main" && shown(element) && box(element).left >= 0 && box(element).top >= 0;
  const inContent = (element) => location.hash === "#main" && element.closest("main, footer") !== null;

  return { skips, inContent, unfold, reflow, spacing, regions, focus, order, drawings, axed };
})();
0;
