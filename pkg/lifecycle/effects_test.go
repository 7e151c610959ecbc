package lifecycle

// perform has an effect in the simulated world; having it twice changes nothing.
func (w *world) perform(action Action) {
	switch action.Kind {
	case ActionEnsureMachine:
		w.create()
	case ActionDeleteMachine:
		w.remove(action)
	case ActionDrainNode:
		w.drain(action)
	case ActionUncordonNode, ActionResetNode:
		w.draining, w.drained = false, false
		if w.Node.CordonedByUs {
			w.Node.CordonedByUs = false
			w.logf("uncordon Node")
		}
		if action.Kind == ActionResetNode && w.Node.HasOwnTaints {
			w.Node.HasOwnTaints, w.Node.ReclaimRequested = false, false
			w.logf("reset Node")
		}
	case ActionForgetReclaim:
		w.Node.ReclaimRequested = false
		w.logf("forget reclaim")
	case ActionDisableSchedule:
		if w.Object.Enabled {
			w.Object.Enabled = false
			w.logf("disable schedule")
		}
	case ActionReleaseFinalizer:
		if !w.released {
			w.logf("release finalizer")
		}
		w.released = true
	case ActionApplyTaints, ActionArmReclaimAgent, ActionDeleteLeftovers, ActionRemindClusterAPI:
	}
}

func (w *world) create() {
	if w.Machine.Exists {
		return
	}
	w.logf("create Machine")
	w.Machine = Machine{Exists: true, CreatedAt: w.Now}
	w.draining, w.drained, w.removing = false, false, false
	machine := w.Machine.CreatedAt
	w.later(joinTakes, "", func(w *world) {
		if !w.Machine.Exists || w.Machine.Deleting || !w.Machine.CreatedAt.Equal(machine) {
			return
		}
		w.logf("* Machine runs")
		w.Machine.Running, w.Machine.HasNodeRef = true, true
		w.Node = Node{Known: true, Exists: true, Name: "ws-1", HasOwnTaints: w.marked, ReclaimRequested: w.marked}
		w.later(readyTakes, "", func(w *world) {
			if w.Node.Exists && w.Machine.CreatedAt.Equal(machine) {
				w.logf("* Node is Ready")
				w.Node.Ready = true
				if w.onReady != nil {
					w.onReady(w)
				}
			}
		})
	})
}

func (w *world) drain(action Action) {
	if w.draining || w.Machine.Deleting {
		return
	}
	w.draining, w.Node.CordonedByUs = true, true
	if action.Forced {
		w.logf("drain Node by force")
	} else {
		w.logf("drain Node")
	}
	if w.drainsNever {
		return
	}
	machine := w.Machine.CreatedAt
	w.later(drainTakes, "", func(w *world) {
		if w.draining && w.Machine.Exists && w.Machine.CreatedAt.Equal(machine) && w.Object.Shutdown != nil {
			w.logf("* Node is drained")
			w.drained, w.Object.Shutdown.Drained = true, true
		}
	})
}

func (w *world) remove(action Action) {
	m := &w.Machine
	if !m.Exists || m.Deleting && m.SkipsDrain == action.SkipDrain && m.SkipsVolumeDetach == action.SkipVolumeDetach {
		return
	}
	m.Deleting, m.Running = true, false
	m.SkipsDrain, m.SkipsVolumeDetach = action.SkipDrain, action.SkipVolumeDetach
	w.logf("%s", briefAction(action))
	if w.removing || w.hangs && !action.SkipVolumeDetach {
		return
	}
	w.removing = true
	machine := m.CreatedAt
	w.later(removalTakes, "", func(w *world) {
		if w.Machine.CreatedAt.Equal(machine) && w.Machine.Exists {
			w.logf("* Machine is gone")
			w.Machine, w.Node = Machine{}, Node{Known: true}
		}
	})
}
