// Reload when the effects log has grown, so that the page can be left open beside a run.
const seen = Number(document.body.dataset.seq);
setInterval(async () => {
  const answer = await fetch(`/effects?after=${seen}`).catch(() => null);
  if (answer && answer.ok && (await answer.json()).length) location.reload();
}, 3000);
