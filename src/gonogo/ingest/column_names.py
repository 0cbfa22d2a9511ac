"""Names that others give to the fields of an observation: a suggestion for a person, never applied by itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from shlex import quote
from types import MappingProxyType

from gonogo.border.foreign import number
from gonogo.ingest.cell_words import outcome_of_word, typed_cell

MAP_ADVICE = (
    "Say which column is what: --map dependency=COLUMN (or --set dependency=NAME), --map ts=COLUMN, "
    "--map outcome=COLUMN, your own: --map metrics.NAME=COLUMN; --ignore-unknown leaves out the rest"
)

# Without their units and accents; the first column that fits a field is taken.
NAMES = {
    "dependency": "model model_name model_id ai_model llm llm_model bot agent tool tool_name skill service endpoint api function scraper deployment engine model_permaslug "
    "modell modellname werkzeug dienst modele outil modelo herramienta modello strumento ferramenta narzedzie "
    "модель модели инструмент сервис モデル モデル名 ツール サービス 模型 模型名称 工具 服务 모델 모델명 도구 서비스 النموذج",
    "ts": "timestamp time date datetime created created_at started_at start_time started called_at when logged_at event_time "
    "zeitstempel zeitpunkt zeit datum uhrzeit heure horodatage fecha hora fecha_hora marca_de_tiempo orario tijdstip tijd data_hora "
    "дата время дата_время дата_и_время 日時 日付 時刻 タイムスタンプ 作成日時 时间 日期 时间戳 创建时间 시간 일시 날짜 시각 생성일시 التاريخ الوقت",
    "outcome": "correct is_correct success succeeded successful ok resolved solved passed pass right good accepted helpful valid "
    "richtig korrekt erfolg erfolgreich bestanden gelost reussi succes correcto exito acierto corretto giusto riuscito correto sucesso juist poprawne poprawny acertou acerto "
    "верно правильно успешно успех 正解 正誤 正否 成否 成功 合否 正确 是否正确 是否成功 正确与否 정답여부 정답_여부 성공 성공여부 성공_여부 صحيح",
    "latency_ms": "latency duration elapsed took response_time runtime time_taken total_time handle_time handling_time request_time wall_time generation_time seconds secs ms millis "
    "dauer laufzeit antwortzeit latenz duree latence duracion latencia tiempo_de_respuesta durata latenza duracao duur czas czas_trwania tempo tempo_de_resposta "
    "время_ответа длительность задержка 応答時間 処理時間 所要時間 レイテンシ 耗时 延迟 响应时间 用时 지연시간 지연_시간 응답시간 응답_시간 소요시간",
    "cost_usd": "cost price usd cost_usd total_cost cost_total spend dollars price_usd kosten preis cout prix costo coste precio prezzo custo preco koszt",
    "version": "model_version prompt_version release revision deployment_version build modellversion versione versao versie",
    "id": "request_id generation_id call_id trace_id uuid message_id run_id",
    "error": "err exception failure failed error_code error_type error_message error_msg err_msg err_code is_error has_error "
    "fehler fehlercode fehlermeldung erreur echec errore fallo fallido falla erro falha fout blad "
    "ошибка エラー エラー内容 错误 错误信息 오류 에러 خطأ",
    "item": "item_id question_id test_id case case_id example_id",
    "provider": "vendor provider_name anbieter fournisseur proveedor fornitore fornecedor",
    "confidence": "probability prob certainty konfidenz confiance confianza confianca",
    "prediction": "predicted pred predicted_label y_pred vorhersage",
    "label": "expected truth ground_truth true_label y_true target target_label gold gold_label reference erwartet",
    "input_tokens": "prompt_tokens tokens_prompt tokens_in in_tokens in_tok input_token_count prompt_token_count 入力トークン 入力トークン数 输入token 输入token数 입력토큰 입력_토큰",
    "output_tokens": "completion_tokens tokens_completion tokens_out out_tokens out_tok output_token_count candidates_token_count completion_token_count 出力トークン 出力トークン数 输出token 输出token数 출력토큰 출력_토큰",
}
# Of a table whose row is many calls.
_COUNTS = frozenset(
    [
        "requests",
        "calls",
        "count",
        "hits",
        "request_count",
        "call_count",
        "num_calls",
        "num_requests",
        "total_calls",
        "total_requests",
        "n_calls",
    ]
)
_BAD_COUNTS = frozenset(
    [
        "errors",
        "failures",
        "failed",
        "error_count",
        "failure_count",
        "failed_calls",
        "failed_requests",
        "num_errors",
        "n_errors",
        "successes",
    ]
)
# Counts too, where no column beside them is of one call alone.
_TOTALS = frozenset(["total", "n"])
_GOOD_COUNTS = frozenset(["correct", "passed", "right", "solved", "wrong", "incorrect"])
_OF_ONE_CALL = frozenset(["id", "item", "latency_ms", "confidence", "prediction", "label", "error"])
# Taken where no better column is: these hold an answer's text as often.
_PERHAPS = "resolution disposition feedback user_feedback thumbs thumb vote result ergebnis resultat resultado risultato resultaat verdict judgement judgment результат оценка 結果 判定 評価 结果 评价 결과 평가 النتيجة"
# What became of a call: `success` and 200 are no errors. Where a column tells of errors alone, that is taken.
_FATES = frozenset(
    [
        *("status", "state", "status_code", "http_status", "http_status_code", "http_code"),
        *("response_status", "response_status_code", "response_code", "result_code"),
        *("grpc_status", "call_status", "run_status", "job_status", "request_status"),
        *("exit_code", "exit_status", "return_code"),
    ]
)
# Of an object that is one of these things: `service.name` is a service, `error.type` an error.
_OF_ITS_OBJECT = frozenset(["name", "id", "value", "total", "amount"])
# Of what a call ran in: taken for the dependency where no column names a model or a tool.
_AROUND_NAMES = "service endpoint api function deployment engine dienst сервис サービス 服务 서비스"
_AROUND = frozenset(_AROUND_NAMES.split())
# `agent_model`, `chat_bot`; those who grade are no dependency of the calls that they graded.
_CALLED = re.compile(r"(?<!judge_)(?<!grader_)(?<!eval_)(?<!embedding_)(model|bot|modell)$")
# Objects and prefixes of scores: `scores.relevance`, `feedback.correctness`.
_OF_SCORES = frozenset(
    ["scores", "feedback", "feedback_scores", "evals", "evaluations", "assessments"]
)
_OF_AN_ERROR = frozenset(["type", "code", "message", "kind"])
# Paths into one record, or one object, that are looked at.
_PATHS_MAX = 50
_DEPTH_MAX = 8
# `created_at`, `run_at`, `request_timestamp`: taken where no column says plainly that it is the time.
_MOMENT = re.compile(r"_(at|date|datetime|timestamp|ts)$")
# Of OpenAI's form and of those who repeat it: `stop`, `length`, `tool_calls`, and `error` where there is no answer.
_ENDING = re.compile(r"(native_)?(finish|stop)_reason(_normalized)?")
_LEVELS = frozenset(["trace", "debug", "info", "warn", "warning", "error"])
_LEVEL_NAMES = frozenset(["level", "loglevel", "severity"])
# Days and clocks that stand in columns of their own.
_DAYS = frozenset(["date", "day", "datum", "fecha", "data", "jour", "giorno", "dia"])
_CLOCKS = frozenset(["time", "clock", "zeit", "uhrzeit", "hora", "ora", "heure", "tijd", "orario"])
# What stands before it has room in a refusal of 300 characters.
SUGGESTION_CHARS_MAX = 240
# A score does not say which way is good, so it is no outcome.
_SCORES = (
    "score rating stars grade relevance toxicity faithfulness groundedness coherence fluency "
    "answer_relevancy answer_relevance answer_correctness context_precision context_recall "
    "helpfulness similarity bleu rouge f1 bias hallucination safety harm reward accuracy quality csat nps wer cer perplexity"
)
_OWN_SCORES = frozenset(_SCORES.split())
# What calls are told apart by: a column whose name, or the last word of it, is one of these is a segment.
_SEGMENT_NAMES = (
    "region country tier plan tenant customer client language lang locale channel cohort segment category topic intent team "
    "environment env market user_type device platform "
    "land kunde kundengruppe tarif sprache abteilung kanal pays langue equipe pais idioma cliente canal paese lingua"
)
_SEGMENTS = frozenset(_SEGMENT_NAMES.split())
_SEGMENTS_MAX = 4
_OF_SEGMENT = re.compile(r"_(id|name|code|key)$")
_SPACES_OF_A_NAME = 3
_MOMENTS = _DAYS | _CLOCKS
# The last: a spreadsheet's day number.
_NO_ZONE = re.compile(
    r"(\d{4}-\d\d-\d\d|(?!.*[+-]\d\d:\d\d$).*\d:\d\d(:\d\d)?([.,]\d+)?( ?[AaPp][Mm])?|[2-7]\d{4}([.,]\d+)?)",
    re.ASCII,
)
_FIELD_OF = {name: field for field, names in NAMES.items() for name in (field, *names.split())}
_MS_OF_UNIT = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), "*0.000001"),
    **dict.fromkeys(("us", "micros", "microseconds"), "*0.001"),
    **dict.fromkeys(("ms", "millis", "milliseconds", "usd", "dollars", "utc"), ""),
    **dict.fromkeys(("мс", "миллисекунд", "ミリ秒", "毫秒", "밀리초"), ""),
    **dict.fromkeys(("s", "sec", "secs", "seconds", "sek", "sekunden", "segundos"), "*1000"),
    **dict.fromkeys(("\u0441", "сек", "секунд", "秒", "초"), "*1000"),
    **dict.fromkeys(("min", "mins", "minutes", "minuten", "minutos"), "*60000"),
}
_S_OF_UNIT = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), "*0.000000001"),
    **dict.fromkeys(("us", "micros", "microseconds"), "*0.000001"),
    **dict.fromkeys(("ms", "millis", "milliseconds"), "*0.001"),
}
_UNIT = re.compile(rf"_({'|'.join(_MS_OF_UNIT)})$")
# Cents and pounds are no dollars: a rate is asked for.
_CURRENCY = re.compile(
    r"[€£¥₹]|(?<![a-z])(?:eur(?:os?)?|gbp|chf|jpy|cny|inr)(?![a-z])", re.IGNORECASE
)
_CODES = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "EURO": "EUR", "EUROS": "EUR"}
_MOMENT_TEXT = re.compile(r"\[?(?:\d{4}[-/]\d\d?[-/]\d\d?|\d\d?[./]\d\d?[./]\d{4})", re.ASCII)
_ACCENT = re.compile("[\u0300-\u036f]")
_LETTERS_OF_UNIT = str.maketrans({"\u00b5": "u", "\u03bc": "u"})


def recognised(record: Mapping[str, object]) -> int:
    """Count the fields that the names of a record's values suggest, in objects too."""
    paths = islice((path for path, _ in flat(record)), _PATHS_MAX)
    return len({field for path in paths if (field := _meant(path)[0]) is not None})


def names_no_columns(header: Sequence[str]) -> bool:
    """Whether what should be a header is a line of a log, or the first record of a table without one."""
    is_sentence = len(header) == 1 and header[0].count(" ") > _SPACES_OF_A_NAME
    return is_sentence or any(
        _is_moment(cell) or number(cell) is not None or "=" in cell for cell in header
    )


def states_no_unit(column: str) -> bool:
    """Whether a column of a latency leaves its unit open, as `duration` does and `duration_s` does not."""
    name = _plainly(column.rpartition(".")[2])
    return not _UNIT.search(name) and name not in _MS_OF_UNIT


def other_currency(column: str) -> str:
    """The currency that a column of amounts names, where it is not the dollar; "" where it names none."""
    found = _CURRENCY.search(column)
    return found[0].strip("_").upper() if found else ""


def suggestion(
    unknown: Sequence[str],
    taken: Iterable[str] = (),
    values: Mapping[str, object] = MappingProxyType({}),
    *,
    has_zone: bool = True,
    chars_max: int = SUGGESTION_CHARS_MAX,
) -> str:
    """The options that would take columns in, as they are typed; "" where nothing is recognised.

    Args:
        unknown: Columns that are no fields.
        taken: Fields that have a column already.
        values: What the first records hold of them: a `request_time` of 2026-04-02 is no latency.
        has_zone: Whether the zone of times that state none was said.
        chars_max: The room that there is.
    """
    filled, options = set(taken), dict[str, str]()
    # What lies in an object comes after what lies beside it, and its number after its name.
    unknown = sorted(unknown, key=lambda c: (_name_of(c) in _AROUND, "." in c, c.endswith(".id")))
    moment = [column for column in ("ts",) if column in values]
    if "ts" not in filled and (moment := _day_and_clock(unknown)):
        filled.add("ts")
        options |= dict.fromkeys(moment, f"--map {quote('ts=' + '+'.join(moment))}")
    for meant in (_meant, _perhaps_meant):
        for column in unknown:
            field, factor = _as_valued(column, *meant(column), values.get(column))
            if field is not None and field not in filled and column not in options:
                moment = [column] if field == "ts" and not factor else moment
                filled.add(field)
                options[column] = f"--map {quote(f'{field}={column[:60]}{factor}')}"
    dated = [column for column in unknown if _is_moment(values.get(column))]
    if "ts" not in filled and dated and dated[0] not in options:
        # In whatever language it is called so.
        options[dated[0]], moment = f"--map {quote(f'ts={dated[0][:60]}')}", dated[:1]
    if "error" not in filled:
        options |= _errors_among_endings(unknown, values)
    if not options:
        return ""
    options |= _segments([column for column in unknown if column not in options])
    named = [] if "dependency" in filled else ["--set dependency=NAME"]
    if not has_zone and moment and _NO_ZONE.fullmatch(str(values.get(moment[-1], ""))):
        named.append("--timezone ZONE")
    told = list(dict.fromkeys(options[column] for column in unknown if column in options))
    rest = ["--ignore-unknown"] if len(options) < len(unknown) else []
    # A command that is cut off can not be typed: what matters least is left out whole.
    while len(" ".join([*named, *told, *rest])) > chars_max:
        told.remove(max(told, key=_rank))
        rest = ["--ignore-unknown"]
    return " ".join([*named, *told, *rest])


def flat(
    record: Mapping[str, object], prefix: str = "", depth: int = _DEPTH_MAX
) -> Iterator[tuple[str, object]]:
    """The scalars of nested objects by their dotted paths."""
    for key, value in record.items():
        if isinstance(value, Mapping) and depth:
            yield from flat(value, f"{prefix}{key}.", depth - 1)
        elif isinstance(value, str | int | float | bool):
            yield f"{prefix}{key}", value


def note_values(values: dict[str, object], record: Mapping[str, object]) -> None:
    """Add a record to what others hold: its columns, also within objects, each with the first value that it has."""
    for column, value in record.items():
        if values.get(column) is None:
            values[column] = value
        if isinstance(value, Mapping):
            for path, inner in islice(flat(value, f"{column}."), _PATHS_MAX):
                values.setdefault(path, inner)


def _as_valued(
    column: str, field: str | None, factor: str, value: object
) -> tuple[str | None, str]:
    """The field and factor that a column's name suggests, corrected by its value and its currency."""
    if isinstance(value, Mapping | list):
        return None, ""  # what lies in it has names of its own
    if _is_moment(value) and (
        field == "latency_ms" or (field is None and _ends_as(column, _MOMENTS))
    ):
        return "ts", ""
    if field is not None and field.startswith("metrics.") and isinstance(value, str):
        # A word for right or wrong is no score, but an outcome; any other word is neither.
        if outcome_of_word(value) is not None:
            return "outcome", ""
        return (None if isinstance(typed_cell("number", value), str) else field), ""
    if field == "cost_usd" and (other := other_currency(f"{column} {str(value)[:40]}")):
        return field, f"*USD_PER_{_CODES.get(other, other)}"
    return field, factor


def _is_moment(value: object) -> bool:
    """Whether a cell begins with a date."""
    return isinstance(value, str) and bool(_MOMENT_TEXT.match(value))


def _ends_as(column: str, names: frozenset[str]) -> bool:
    """Whether the last word of a column's name is one of these."""
    return _plainly(column).rpartition("_")[2] in names


def _segments(columns: Iterable[str]) -> dict[str, str]:
    """The options that take columns for segments, by column."""
    found = dict[str, str]()
    for column in columns:
        key = _plainly(column.rpartition(".")[2])
        name = _OF_SEGMENT.sub("", key)
        if name in _SEGMENTS or name.rpartition("_")[2] in _SEGMENTS:
            found[column] = f"--map {quote(f'segments.{key}={column[:60]}')}"
    return dict(list(found.items())[:_SEGMENTS_MAX])


def _errors_among_endings(columns: Sequence[str], values: Mapping[str, object]) -> dict[str, str]:
    """The option that takes failures from a column of the reasons why answers ended, or of a log's levels, by it."""
    found = [c for c in columns if _ENDING.fullmatch(_plainly(c.rpartition(".")[2]))]
    found += [
        c for c in columns if _ends_as(c, _LEVEL_NAMES) or str(values.get(c)).lower() in _LEVELS
    ]
    return {column: f"--error-when {quote(f'{column[:60]}=error')}" for column in found[:1]}


def _day_and_clock(columns: Sequence[str]) -> list[str]:
    """A column of days and one of clocks; none where they are not both there."""
    found = [
        next((column for column in columns if _plainly(column) in names), "")
        for names in (_DAYS, _CLOCKS)
    ]
    return found if all(found) else []


def _rank(option: str) -> int:
    """The place of an option's field in the order in which fields matter."""
    field = option.removeprefix("--map ").strip("'").partition("=")[0]
    if option.startswith("--error-when"):
        field = "error"
    return list(NAMES).index(field) if field in NAMES else len(NAMES)


def counted_calls(columns: Iterable[str]) -> list[str]:
    """The columns by which a row seems to count many calls, and how many of them went well or did not."""
    plainly = {re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_"): column for column in columns}
    of_one = _OF_ONE_CALL & {_meant(column)[0] for column in plainly.values()}
    pairs = ((_COUNTS, _BAD_COUNTS), *([] if of_one else [(_COUNTS | _TOTALS, _GOOD_COUNTS)]))
    for named in pairs:
        counts, parts = ([plainly[name] for name in plainly if name in of] for of in named)
        if counts and parts:
            return [counts[0], parts[0]]
    return []


def _meant(column: str) -> tuple[str | None, str]:
    """The field that a column seems to be, and what its numbers are multiplied by."""
    outer, _, inner = column.rpartition(".")
    name = _name_of(column)
    unit = _UNIT.search(name)
    field = _FIELD_OF.get(name) or (unit and _FIELD_OF.get(name[: unit.start()]))
    in_scores = outer and _plainly(outer.rpartition(".")[2]) in _OF_SCORES
    if field is None and (in_scores or not _OWN_SCORES.isdisjoint([name, *name.split("_")])):
        return f"metrics.{inner}", ""
    written = unit[1] if unit else name
    if field == "ts":
        return field, _S_OF_UNIT.get(written, "")
    return field or None, _MS_OF_UNIT.get(written, "") if field == "latency_ms" else ""


def _name_of(column: str) -> str:
    """The last name of a path, plainly; that of its object where it tells which part of one: `latency.total_ms`."""
    outer, _, inner = column.rpartition(".")
    name, whole = _plainly(inner), _plainly(outer.rpartition(".")[2])
    if not outer:
        return name
    unit = _UNIT.search(name)
    if name[: unit.start() if unit else None] in _OF_ITS_OBJECT:
        return whole + (unit[0] if unit else "")
    return whole if name in _OF_AN_ERROR and _FIELD_OF.get(whole) == "error" else name


def _perhaps_meant(column: str) -> tuple[str | None, str]:
    name = _plainly(column.rpartition(".")[2])
    if name in _FATES:
        return "error", ""
    if _MOMENT.search(name):
        return "ts", ""
    if _CALLED.search(name):
        return "dependency", ""
    return "outcome" if name in _PERHAPS.split() else None, ""


def _plainly(column: str) -> str:
    """A column's name as `NAMES` writes it: `Dauer (s)` and `DauerS` are `dauer_s`."""
    told = unicodedata.normalize("NFKD", column).translate(_LETTERS_OF_UNIT)
    # Accents alone: the marks of Japanese and the parts of Korean syllables are put together again.
    told = unicodedata.normalize("NFC", _ACCENT.sub("", told))
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", told).lower()).strip("_")
