package catalog

// Directions of a call leg.
const (
	Outbound Direction = "outbound"
	Inbound  Direction = "inbound"
)

// Call states in which a cause occurs.
const (
	StatePreInitiation State = "pre_initiation"
	StateInitiated     State = "initiated"
	StateRinging       State = "ringing"
	StatePreAnswer     State = "pre_answer"
	StateAnswered      State = "answered"
	StateAny           State = "any"
)

// Features that a cause is limited to.
const (
	SurfaceSIPEndpoint Surface = "sip_endpoint"
	SurfaceAPICall     Surface = "api_call"
	SurfaceDialXML     Surface = "dial_xml"
	SurfaceBLeg        Surface = "b_leg"
	SurfaceMPCAPI      Surface = "mpc_api" // multi-party call
	SurfaceMPCXML      Surface = "mpc_xml"
)

// Parties that may have ended a call.
const (
	SourceCaller      Source = "caller"
	SourceCalledParty Source = "called_party"
	SourcePlivo       Source = "plivo"
	SourceCarrier     Source = "carrier"
	SourceAPIRequest  Source = "api_request"
	SourceAnswerXML   Source = "answer_xml"
	SourceError       Source = "error"
	SourceUnknown     Source = "unknown"
)

// Conditions under which a source applies.
const (
	WhenSIPEndpoint     When = "destination_is_plivo_sip_endpoint"
	WhenPSTN            When = "destination_is_pstn_or_external_sip"
	WhenInboundRejected When = "inbound_call_rejected_by_hangup_xml"
	WhenHangupAPI       When = "hung_up_via_hangup_api"
	WhenHangupXML       When = "hung_up_via_hangup_xml"
	WhenStopMPC         When = "stop_mpc_api"
	WhenMPCMaxDuration  When = "mpc_max_duration"
)

// Faults: whose problem a cause is.
const (
	FaultSuccess      Fault = "success"     // the call did what it should
	FaultNeutral      Fault = "neutral"     // ended on purpose
	FaultAppConfig    Fault = "app_config"  // our application or its set-up
	FaultAccount      Fault = "account"     // credit, limits, numbers owned
	FaultDestination  Fault = "destination" // the called number or person
	FaultCarrier      Fault = "carrier"
	FaultPlatform     Fault = "platform" // the provider
	FaultPolicy       Fault = "policy"   // forbidden by a rule, a permission or a law
	FaultUndetermined Fault = "undetermined"
)

// Retry classes.
const (
	ClassNone       Class = "none"        // nothing to retry
	ClassNever      Class = "never"       // a redial cannot succeed
	ClassManual     Class = "manual"      // a person decides
	ClassAfterFix   Class = "after_fix"   // something has to be mended first
	ClassShortDelay Class = "short_delay" // seconds to minutes
	ClassLongDelay  Class = "long_delay"  // minutes to days
	ClassAlternate  Class = "alternate"   // another person or number
)

// Whether a machine may redial.
const (
	AutoAllowed Auto = "allowed"
	AutoOptIn   Auto = "opt_in"  // only if the operator says so
	AutoGated   Auto = "gated"   // only after a signal that the fix is made
	AutoBlocked Auto = "blocked" // never by machine
)

// What to dial next.
const (
	TargetSame              Target = "same"
	TargetSameOtherRoute    Target = "same_other_route"
	TargetAlternateNumber   Target = "alternate_number"
	TargetAlternateThenSame Target = "alternate_then_same"
)

// What else a cause affects.
const (
	ScopeAccount     Scope = "account"
	ScopeApplication Scope = "application"
	ScopeCallerID    Scope = "caller_id"
	ScopeCountry     Scope = "country"
	ScopeNumberRange Scope = "number_range"
	ScopePlatform    Scope = "platform"
	ScopeRoute       Scope = "route"
)

// How a delay d is spread.
const (
	JitterEqual Jitter = "equal" // between d/2 and d
	JitterFull  Jitter = "full"  // between 0 and d, at least 5 s
)

// Flags that programs act on.
const (
	FlagFalsyCodeTrap       Flag = "falsy_code_trap" // code 0: beware of tests for "no code"
	FlagListHygiene         Flag = "list_hygiene"    // clean the number list
	FlagComplianceBlock     Flag = "compliance_block"
	FlagCountsAsRefusal     Flag = "counts_as_refusal" // a person said no
	FlagSuppressDestination Flag = "suppress_destination"
	FlagCheckAnswerTime     Flag = "check_answer_time" // the code does not say whether it was answered
	FlagCheckDuration       Flag = "check_duration"
	FlagEscalateToProvider  Flag = "escalate_to_provider"
	FlagPossibleSilentCall  Flag = "possible_silent_call" // the callee may have heard silence
)

// What may have to be mended before a redial.
const (
	FixTopUpCredit              Fix = "top_up_credit"
	FixLowerParallelDials       Fix = "lower_parallel_dials"
	FixCorrectNumber            Fix = "correct_number"
	FixEnableGeoPermission      Fix = "enable_geo_permission"
	FixEnableHighRiskPermission Fix = "enable_high_risk_permission"
	FixEnablePrefixPermission   Fix = "enable_prefix_permission"
	FixRoutingLogic             Fix = "routing_logic"
	FixMediaLocationOrCallerID  Fix = "media_location_or_caller_id"
	FixUseOwnedCallerID         Fix = "use_owned_caller_id"
	FixUseOtherCallerID         Fix = "use_other_caller_id"
	FixRecipientUnblocks        Fix = "recipient_unblocks"
	FixReputationAndAttestation Fix = "reputation_and_attestation"
	FixAnswerURLHealth          Fix = "answer_url_health"
	FixActionURLHealth          Fix = "action_url_health"
	FixTransferURLHealth        Fix = "transfer_url_health"
	FixRedirectURLHealth        Fix = "redirect_url_health"
	FixActionURLValue           Fix = "action_url_value"
	FixTransferURLValue         Fix = "transfer_url_value"
	FixRedirectURLValue         Fix = "redirect_url_value"
	FixActionMethod             Fix = "action_method"
	FixTransferMethod           Fix = "transfer_method"
	FixRedirectMethod           Fix = "redirect_method"
	FixAnswerXML                Fix = "answer_xml"
	FixActionXML                Fix = "action_xml"
	FixTransferXML              Fix = "transfer_xml"
	FixRedirectXML              Fix = "redirect_xml"
	FixSIPCredentials           Fix = "sip_credentials"
)

// Each list below is closed: nothing else is accepted in a catalog file.

// Directions lists the directions.
func Directions() []Direction { return []Direction{Outbound, Inbound} }

// States lists the call states.
func States() []State {
	return []State{StatePreInitiation, StateInitiated, StateRinging, StatePreAnswer, StateAnswered, StateAny}
}

// Surfaces lists the surfaces.
func Surfaces() []Surface {
	return []Surface{SurfaceSIPEndpoint, SurfaceAPICall, SurfaceDialXML, SurfaceBLeg, SurfaceMPCAPI, SurfaceMPCXML}
}

// Sources lists the parties.
func Sources() []Source {
	return []Source{SourceCaller, SourceCalledParty, SourcePlivo, SourceCarrier, SourceAPIRequest, SourceAnswerXML, SourceError, SourceUnknown}
}

// Whens lists the conditions of sources.
func Whens() []When {
	return []When{WhenSIPEndpoint, WhenPSTN, WhenInboundRejected, WhenHangupAPI, WhenHangupXML, WhenStopMPC, WhenMPCMaxDuration}
}

// Faults lists the faults.
func Faults() []Fault {
	return []Fault{FaultSuccess, FaultNeutral, FaultAppConfig, FaultAccount, FaultDestination, FaultCarrier, FaultPlatform, FaultPolicy, FaultUndetermined}
}

// Classes lists the retry classes.
func Classes() []Class {
	return []Class{ClassNone, ClassNever, ClassManual, ClassAfterFix, ClassShortDelay, ClassLongDelay, ClassAlternate}
}

// Autos lists the answers to whether a machine may redial.
func Autos() []Auto { return []Auto{AutoAllowed, AutoOptIn, AutoGated, AutoBlocked} }

// Targets lists what may be dialled next.
func Targets() []Target {
	return []Target{TargetSame, TargetSameOtherRoute, TargetAlternateNumber, TargetAlternateThenSame}
}

// Scopes lists the scopes.
func Scopes() []Scope {
	return []Scope{ScopeAccount, ScopeApplication, ScopeCallerID, ScopeCountry, ScopeNumberRange, ScopePlatform, ScopeRoute}
}

// Jitters lists the ways to spread a delay.
func Jitters() []Jitter { return []Jitter{JitterEqual, JitterFull} }

// Flags lists the flags.
func Flags() []Flag {
	return []Flag{
		FlagFalsyCodeTrap, FlagListHygiene, FlagComplianceBlock, FlagCountsAsRefusal, FlagSuppressDestination,
		FlagCheckAnswerTime, FlagCheckDuration, FlagEscalateToProvider, FlagPossibleSilentCall,
	}
}

// Fixes lists what may have to be mended before a redial.
func Fixes() []Fix {
	return []Fix{
		FixTopUpCredit, FixLowerParallelDials, FixCorrectNumber, FixEnableGeoPermission, FixEnableHighRiskPermission, FixEnablePrefixPermission,
		FixRoutingLogic, FixMediaLocationOrCallerID, FixUseOwnedCallerID, FixUseOtherCallerID, FixRecipientUnblocks, FixReputationAndAttestation,
		FixAnswerURLHealth, FixActionURLHealth, FixTransferURLHealth, FixRedirectURLHealth,
		FixActionURLValue, FixTransferURLValue, FixRedirectURLValue,
		FixActionMethod, FixTransferMethod, FixRedirectMethod,
		FixAnswerXML, FixActionXML, FixTransferXML, FixRedirectXML, FixSIPCredentials,
	}
}

// Values make the types closed lists for the decoder.

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

// Values lists the accepted words.
func (Direction) Values() []string { return words(Directions()) }

// Values lists the accepted words.
func (State) Values() []string { return words(States()) }

// Values lists the accepted words.
func (Surface) Values() []string { return words(Surfaces()) }

// Values lists the accepted words.
func (Source) Values() []string { return words(Sources()) }

// Values lists the accepted words.
func (When) Values() []string { return words(Whens()) }

// Values lists the accepted words.
func (Fault) Values() []string { return words(Faults()) }

// Values lists the accepted words.
func (Class) Values() []string { return words(Classes()) }

// Values lists the accepted words.
func (Auto) Values() []string { return words(Autos()) }

// Values lists the accepted words.
func (Target) Values() []string { return words(Targets()) }

// Values lists the accepted words.
func (Scope) Values() []string { return words(Scopes()) }

// Values lists the accepted words.
func (Jitter) Values() []string { return words(Jitters()) }

// Values lists the accepted words.
func (Flag) Values() []string { return words(Flags()) }

// Values lists the accepted words.
func (Fix) Values() []string { return words(Fixes()) }
