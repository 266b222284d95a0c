/** What a client puts before its model; some show only this and the tools' names, so that it must carry the flow. At most 2 KiB. */
export const instructions = `Signalbox runs AI agents on many runtimes and lets you call, watch, steer, stop and approve them.

Three steps:
1. agents_list: which agents there are. Pick one by its description.
2. agent_run {agent, prompt}: gives it work. The agent does not see this conversation, so say the task in full. The answer is a run. It comes when the run is over, when it needs a person, or after wait_seconds (25 unless you say otherwise, 45 at most). The run goes on whether you wait or not.
3. While the answer has "next", make that call: run_get {run_id, wait_seconds} waits on; approval_decide answers what the run waits for.

A run's status is queued, running, awaiting_input, succeeded, failed or cancelled. Follow-ups: session_send {session_id, message}, with mode queue (after what is at work), steer (into it) or interrupt (instead of it). Stop: run_cancel. What it did: run_events or the resource run://{id}/transcript.

Approvals let an agent do what it was held back from: ask the person you work for before approval_decide. Give agent_run and session_send an idempotency_key when you may have to repeat a call. Refusals say a code, what happened and what to do next. Costs are in micro-dollars (1,000,000 is one US dollar).`
