"""The phrases that the scanner looks for, with their classes and severities. A table; nothing here reads text.

Most patterns see a text in lower case in which punctuation, underscores and comment signs are blanks (`spaced`): one
pattern finds a phrase in a sentence, in a comment over two lines and in the name of a test. Gaps are bounded:
searching is linear. Severities differ by kind of text: a shell command is ordinary in a manual and suspicious in a
failure message. 2 alone is never flagged, 4 is, and 8 in sum can be blocked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["RULES", "Rule", "Severity", "Threat"]

Threat = Literal["override_attempt", "secret_exfiltration", "shell_injection", "tool_escalation", "policy_bypass"]
Severity = Literal[2, 4, 6]


@dataclass(frozen=True)
class Rule:
    """One phrase. `stems`: one of these is in every text that the pattern can match, in lower case and spaced."""

    name: str
    cls: Threat
    severity: Severity
    usual: Severity
    """The severity in code and documents."""
    stems: tuple[str, ...]
    pattern: re.Pattern[str]
    spaced: bool = True


G = r"(?:\s{1,20})"
"""The gap between two words."""
ANY = rf"(?:\w{{1,15}}{G})"
ARTICLES = rf"(?:(?:all|any|every|everything|each|of|the|these|those|my|our|its|in|from|other|safety|given){G}){{0,4}}"
IGNORE = (
    rf"(?:ignore|disregard|forget|override|discard|neglect|disobey|violate|break"
    rf"|(?:do{G}not|don{G}t|never|stop|no{G}longer){G}(?:follow|following|obey|obeying|heed|respect|respecting)"
    rf"|pay{G}no{G}attention{G}to)"
)
ORDERS = (
    rf"(?:instructions?|rules|prompts?|guidelines|directives?|directions|orders|programming|restrictions|"
    rf"safety{G}policy|polic(?:y|ies))\b"
)
READER = (
    rf"(?:(?:any|all|the|every){G})?(?:(?:ai|llm|gpt|coding|automated){G}"
    rf"(?:assistants?|agents?|models?|systems?|bots?|reviewers?)|(?:large{G})?language{G}models?|claude|copilot|chatgpt)"
)
KEYS = (
    rf"(?:api{G}?keys?|secrets?|secret{G}keys?|passwords?|credentials|private{G}keys?|ssh{G}keys?|"
    rf"(?:access|auth|bearer|api){G}tokens?|env(?:ironment)?{G}var(?:iable)?s?|dot{G}?env)"
)


def _rule(
    name: str, cls: Threat, severity: Severity, stems: str, *patterns: str,
    usual: Severity | None = None, raw: bool = False,
) -> Rule:  # fmt: skip
    pattern = re.compile("|".join(patterns), re.MULTILINE | (re.IGNORECASE if raw else re.NOFLAG))
    return Rule(name, cls, severity, usual or severity, tuple(stems.split()), pattern, not raw)


RULES: tuple[Rule, ...] = (
    _rule(
        "ignore_your_rules", "override_attempt", 6, "instruct rule prompt guid direct order program restrict polic",
        rf"{IGNORE}{G}{ARTICLES}(?:your|previous|prior|preceding|above|earlier|foregoing|former|system){G}"
        rf"(?:and{G}\w{{1,12}}{G})?(?:(?:own|system|previous|prior|safety|original|initial|earlier|other){G}){{0,2}}{ORDERS}",
        rf"{IGNORE}{G}{ARTICLES}(?:instructions|rules|orders){G}(?:above|you{G}(?:were|have{G}been|got|received))",
    ),
    _rule(
        "forget_everything", "override_attempt", 6, "told taught instructed",
        rf"{IGNORE}{G}{ANY}{{0,4}}you{G}(?:were|have{G}been|are){G}(?:told|taught|instructed|given)",
    ),
    _rule(
        "ignore_instructions", "override_attempt", 4, "instruction prompt guideline",
        rf"{IGNORE}{G}(?:all|any|every|the|these|those){G}(?:of{G})?(?:the{G}|these{G})?(?:instructions|prompts?|guidelines)\b",
    ),
    _rule(
        "new_role", "override_attempt", 4, "you",
        rf"you{G}are{G}(?:now{G}|no{G}longer{G})(?:bound|restricted|an?{G}{ANY}{{0,2}}(?:assistant|agent|ai|bot|hacker|root)\b"
        rf"|free{G}(?:of|from)|unrestricted|jailbroken|in{G}(?:developer|debug|admin|god|maintenance|dan|unrestricted){G}mode)",
        rf"from{G}now{G}on{G}you{G}(?:are|will|must|shall|should|obey|answer|act)",
        rf"(?:pretend|act){G}(?:to{G}be{G}|as{G}if{G}you{G}(?:are|were|have){G}|as{G})(?:an?{G})?(?:unrestricted|jailbroken|no{G}rules|evil)",
    ),
    _rule(
        "new_orders", "override_attempt", 4, "instructions task goal objective mission orders prompt",
        rf"(?:your|these{G}are{G}your){G}(?:new|real|actual|true|updated|only|first){G}(?:task|instructions?|goal|objective|mission|orders)"
        rf"{G}?(?:is\b|are\b|:)",
        rf"(?:^|[.!:?]){G}?(?:new|updated|revised){G}(?:system{G}prompt|system{G}instructions?|instructions(?:{G}for{G}you|:))",
    ),
    _rule(
        "addressed_to_a_model", "override_attempt", 4, "ai llm gpt claude gemini copilot model",
        rf"\b(?:attention|dear|hey|hello){G}?:?{G}?{READER}\b",
        rf"\b(?:note|notice|message|instructions?|warning|reminder){G}?:?{G}?(?:to|for){G}{READER}\b",
        rf"\bif{G}you{G}are{G}(?:an?{G})(?:ai|llm|(?:large{G})?language{G}model|(?:ai{G}|coding{G})(?:agent|assistant|model))\b",
    ),
    _rule(
        "chat_markup", "override_attempt", 4, "im start im end inst sys start header eot system",
        r"<\|(?:im_start|im_end|system|user|assistant|start_header_id|end_header_id|eot_id|endoftext)\|>",
        r"\[/?INST\]|<</?SYS>>", usual=2, raw=True,
    ),
    _rule(
        "edit_the_tests", "policy_bypass", 2, "test assert grader evaluator conftest",
        rf"\b(?:edit|weaken|tamper{G}with|delete|disable|rewrite|relax|comment{G}out|overwrite|falsify){G}"
        rf"(?:(?:all|any|the|these|those|its|your|failing|unit|protected){G}){{1,3}}"
        rf"(?:tests?|assertions?|test{G}suite|graders?|evaluators?|conftest|expected{G}(?:values?|results?))\b",
    ),
    _rule(
        "make_them_pass", "policy_bypass", 4, "pass succeed",
        rf"\b(?:make|force|let){G}(?:(?:all|every|the|these|any|failing|unit){G}){{0,3}}tests?{G}(?:always|unconditionally|trivially){G}"
        rf"(?:pass|succeed)",
        rf"\b(?:always|just|simply){G}(?:report|return|claim){G}(?:that{G})?(?:all{G})?(?:the{G})?tests?{G}(?:as{G})?(?:have{G})?pass",
    ),
    _rule(
        "conceal", "policy_bypass", 4, "tell inform mention reveal alert",
        rf"\b(?:do{G}not|don{G}t|never|without){G}(?:tell|telling|inform|informing|mention|mentioning|reveal|revealing|alert|alerting)"
        rf"{G}(?:this{G}|it{G}|that{G}|anything{G}|of{G}|to{G}|about{G}){{0,3}}(?:the{G}|your{G}|any{G})?"
        rf"(?:users?|humans?|developers?|operators?|reviewers?|maintainers?|owners?|anyone|anybody|administrators?)\b",
    ),
    _rule(
        "disable_the_guard", "policy_bypass", 4, "safe guard filter moderation restriction oversight approval",
        rf"\b(?:disable|turn{G}off|switch{G}off|bypass|circumvent|evade|deactivate|get{G}around|remove|ignore){G}"
        rf"(?:your{G}(?:\w{{1,15}}{G}){{0,2}}(?:restrictions|limits|limitations|safety|filters?|sandbox|constraints|policy|policies)"
        rf"|(?:(?:all|any|the|every){G}){{0,2}}(?:safety{G}(?:filters?|guidelines|measures|rules|policies|protocols)|safeguards|guard{G}?rails"
        rf"|content{G}(?:filters?|polic(?:y|ies))|human{G}(?:oversight|approval)))\b",
    ),
    _rule(
        "jailbreak", "policy_bypass", 4, "jailbreak anything unrestricted dan",
        rf"\bdo{G}anything{G}now\b|\b(?:dan|unrestricted|jailbreak|jailbroken){G}mode\b|\bwithout{G}any{G}(?:ethical|moral|safety){G}\w{{1,20}}",
    ),
    _rule(
        "send_secrets", "secret_exfiltration", 6, "key secret password credential token env",
        rf"\b(?:send|post|upload|leak|exfiltrate|transmit|forward|e{G}?mail|submit|curl|append|add){G}{ANY}{{0,6}}{KEYS}{G}(?:\S{{1,99}}{G}){{0,6}}?"
        rf"(?:to|at|via|into){G}(?:the{G}|this{G}|our{G}|my{G})?{ANY}{{0,2}}(?:https?\b|www|webhook|pastebin|gist|attacker|me\b|us\b|\S{{1,60}}@)",
    ),
    _rule(
        "reveal_secrets", "secret_exfiltration", 4, "key secret password credential token env",
        rf"\b(?:print|reveal|show|output|include|dump|echo|display|write|put|paste|embed|copy){G}{ANY}{{0,5}}{KEYS}{G}"
        rf"(?:in|into|to|inside|as{G}part{G}of){G}(?:the|your|a|an){G}(?:\w{{1,15}}{G})?(?:answer|reply|response|summary|comment|commit|patch|pull{G}request)\b",
        rf"\b(?:exfiltrate|steal|harvest){G}{ANY}{{0,5}}{KEYS}\b",
    ),
    _rule(
        "reveal_the_prompt", "secret_exfiltration", 4, "prompt instructions",
        rf"\b(?:reveal|print|show|repeat|output|display|leak|disclose|tell{G}me|give{G}me){G}(?:me{G})?(?:all{G}|the{G}|of{G}){{0,3}}"
        rf"(?:your{G}(?:\w{{1,15}}{G})?(?:instructions|prompt)|(?:hidden|secret|system){G}prompt)\b",
    ),
    _rule(
        "secret_files", "secret_exfiltration", 4, "ssh id aws etc netrc git pypirc",
        r"\b(?:cat|read|open|less|head|tail|print|include|copy|cp|scp|send|curl)\s[^\n]{0,60}?"
        r"(?:~/\.ssh/|\bid_(?:rsa|ed25519)\b|\.aws/credentials|/etc/shadow|\.netrc\b|\.git-credentials|\.pypirc\b)",
        usual=2, raw=True,
    ),
    _rule(
        "image_with_data", "secret_exfiltration", 4, "http",
        r"!\[[^\]\n]{0,100}\]\(https?://[^)\s]{1,200}[?&][^)\s=]{1,60}=(?:\{|\$|<|%7b|\[)", raw=True,
    ),
    _rule(
        "pipe_to_shell", "shell_injection", 4, "curl wget",
        r"\b(?:curl|wget)\b[^\n|;]{0,200}\|\s{0,5}(?:sudo\s{1,5})?(?:ba|z|da|k)?sh\b",
        r"\$\(\s{0,5}(?:curl|wget)\b", usual=2, raw=True,
    ),
    _rule(
        "remove_everything", "shell_injection", 4, "rm mkfs dd",
        r"\brm\s{1,5}-(?:rf|fr|r\s{1,5}-f)\s{1,5}(?:--no-preserve-root\s{1,5})?(?:/|~/?|\$HOME/?|/\*)(?=[\s\"'`;&|)]|$)",
        r"\bmkfs\.\w{2,6}\s{1,5}/dev/|\bdd\s[^\n]{0,80}\bof=/dev/(?:sd|nvme|hd)", usual=2, raw=True,
    ),
    _rule(
        "remote_shell", "shell_injection", 6, "dev nc bash base64 eval exec",
        r"/dev/tcp/[\w.$]|\bnc\s{1,5}(?:-\w{1,5}\s{1,5}){0,3}-\w{0,3}e\s{1,5}/bin/|\bbash\s{1,5}-i\s{0,5}>&",
        r"\bbase64\s{1,5}(?:-d|-D|--decode)\b[^\n|]{0,80}\|\s{0,5}(?:ba|z|da)?sh\b",
        r"\beval\s{1,5}\"?\$\((?:curl|wget|base64)|\bexec\(\s{0,5}(?:base64|codecs|zlib)\.\w{1,20}\(", raw=True,
    ),
    _rule(
        "fork_bomb", "shell_injection", 6, ":", r":\(\)\s{0,5}\{\s{0,5}:\s{0,5}\|\s{0,5}:\s{0,5}&\s{0,5}\}", raw=True,
    ),
    _rule(
        "run_this", "shell_injection", 2, "run execute paste",
        rf"\byou{G}(?:must|should|need{G}to|have{G}to){G}(?:now{G}|first{G}|immediately{G})?(?:run|execute|paste){G}"
        rf"(?:the{G}following|this|these){G}(?:shell{G}|bash{G})?(?:commands?|script|code)\b",
    ),
    _rule(
        "tool_markup", "tool_escalation", 4, "tool function invoke python",
        r"</?(?:tool_call|function_calls?|tool_use|invoke\s{1,5}name)\b|<\|(?:python_tag|tool_call)\|>",
        usual=2, raw=True,
    ),
    _rule(
        "use_a_tool", "tool_escalation", 4, "tool",
        rf"\b(?:use|call|invoke|run|execute){G}(?:the{G}|your{G}|an?{G})?(?:bash|shell|terminal|exec|execute{G}command|write{G}file|file{G}system"
        rf"|browser|web{G}fetch|code{G}interpreter|computer){G}tools?\b",
    ),
    _rule(
        "grant_yourself", "tool_escalation", 6, "access permission privilege rights",
        rf"\b(?:grant|give|get|obtain|assign){G}(?:yourself|me|this{G}agent|the{G}(?:agent|model|assistant)){G}{ANY}{{0,2}}"
        rf"(?:root|admin|administrator|sudo|full|write|unrestricted|shell|elevated){G}(?:\w{{1,15}}{G})?(?:access|permissions?|privileges?|rights)",
        rf"\b(?:escalate|elevate){G}(?:your|my){G}(?:own{G})?(?:privileges?|permissions?|rights)",
        rf"\byou{G}(?:now{G})?have{G}(?:full|root|admin|unrestricted|sudo){G}(?:\w{{1,15}}{G})?(?:access|permissions?|privileges?|rights)",
    ),
)  # fmt: skip
