"""Every code a film can carry or be refused with, and its one sentence in both languages.

The sentences say what is wrong and what to do, and never hold anything read from the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Language = Literal["en", "ko"]

_FILM: dict[str, dict[Language, str]] = {
    "empty": {
        "en": "The file is empty; export the film again.",
        "ko": "파일이 비어 있습니다. 영상을 다시 내보내 주세요.",
    },
    "truncated": {
        "en": "The file ends before the picture does; copy or export it again.",
        "ko": "파일이 중간에서 끊겼습니다. 다시 복사하거나 내보내 주세요.",
    },
    "not_an_image": {
        "en": "The file is not a picture; choose a DICOM, PNG, JPEG, TIFF or WebP file.",
        "ko": "영상 파일이 아닙니다. DICOM, PNG, JPEG, TIFF 또는 WebP 파일을 선택해 주세요.",
    },
    "not_a_film": {
        "en": "The file holds no plain film; choose a chest radiograph (CR, DX, RG or a screen capture).",
        "ko": "단순 촬영 영상이 아닙니다. 흉부 X선 영상(CR, DX, RG 또는 화면 캡처)을 선택해 주세요.",
    },
    "no_pixels": {
        "en": "The file describes a film but holds no picture; export it again with its pixel data.",
        "ko": "영상 정보만 있고 픽셀이 없습니다. 픽셀 데이터를 포함하여 다시 내보내 주세요.",
    },
    "too_large": {
        "en": "The film is larger than the limit; export it at a smaller size.",
        "ko": "영상이 허용 크기를 넘습니다. 더 작은 크기로 내보내 주세요.",
    },
    "too_small": {
        "en": "The picture has no size or only a few pixels; export the film at its full size.",
        "ko": "영상의 크기가 없거나 몇 픽셀뿐입니다. 원래 크기로 다시 내보내 주세요.",
    },
    "decompression_bomb": {
        "en": "The small file unpacks to a giant picture and was not opened; use a file you trust.",
        "ko": "작은 파일이 지나치게 큰 영상으로 풀려 열지 않았습니다. 신뢰할 수 있는 파일을 사용해 주세요.",
    },
    "not_finite": {
        "en": "Some pixels are not numbers (NaN or infinite); export the film again with integer pixels.",
        "ko": "숫자가 아닌 픽셀(NaN 또는 무한대)이 있습니다. 정수 픽셀로 다시 내보내 주세요.",
    },
    "animation": {
        "en": "The file is an animation; save the one picture you want read.",
        "ko": "움직이는 영상입니다. 판독할 한 장만 저장해 주세요.",
    },
    "multi_frame": {
        "en": "The file holds several pictures; export the one film you want read.",
        "ko": "여러 장이 들어 있는 파일입니다. 판독할 한 장만 내보내 주세요.",
    },
    "unsupported_transfer_syntax": {
        "en": "The picture is compressed in a way that cannot be decoded here; export the film uncompressed.",
        "ko": "이 압축 방식은 해독할 수 없습니다. 압축하지 않은 형식으로 내보내 주세요.",
    },
    "unreadable": {
        "en": "The file is damaged or cannot be opened; export the film again.",
        "ko": "파일이 손상되었거나 열 수 없습니다. 영상을 다시 내보내 주세요.",
    },
    "took_too_long": {
        "en": "Reading the file took too long and was stopped; export the film uncompressed.",
        "ko": "파일을 읽는 데 시간이 너무 오래 걸려 중단했습니다. 압축하지 않은 형식으로 내보내 주세요.",
    },
    "reader_unavailable": {
        "en": "The program could not start the part that reads files; close other programs and try again.",
        "ko": "파일을 읽는 프로그램을 시작하지 못했습니다. 다른 프로그램을 닫고 다시 시도해 주세요.",
    },
}

_GATE: dict[str, dict[Language, str]] = {
    "not_frontal_chest": {
        "en": "This does not look like a frontal chest film; choose a PA or AP chest radiograph.",
        "ko": "정면 흉부 영상으로 보이지 않습니다. PA 또는 AP 흉부 X선 영상을 선택해 주세요.",
    },
    "lateral": {
        "en": "This is a lateral film; choose the frontal (PA or AP) film of the patient.",
        "ko": "측면 영상입니다. 같은 환자의 정면(PA 또는 AP) 영상을 선택해 주세요.",
    },
    "inverted": {
        "en": "Black and white look swapped; invert the film and read it again.",
        "ko": "흑백이 반전된 것으로 보입니다. 반전한 뒤 다시 판독해 주세요.",
    },
    "rotated_90": {
        "en": "The film seems to lie on its side; turn it upright and read it again.",
        "ko": "영상이 옆으로 누워 있는 것으로 보입니다. 바로 세운 뒤 다시 판독해 주세요.",
    },
    "rotated_180": {
        "en": "The film seems to stand on its head; turn it by half a turn and read it again.",
        "ko": "영상이 거꾸로 된 것으로 보입니다. 180도 돌린 뒤 다시 판독해 주세요.",
    },
    "mirrored": {
        "en": "Left and right look swapped; check the side marker before you trust any side named here.",
        "ko": "좌우가 바뀐 것으로 보입니다. 표시된 좌우를 믿기 전에 방향 표지를 확인해 주세요.",
    },
    "cropped": {
        "en": "A part of the lungs seems to be cut off; use the whole film.",
        "ko": "폐의 일부가 잘린 것으로 보입니다. 전체 영상을 사용해 주세요.",
    },
    "flat": {
        "en": "The film has almost no contrast; check the exposure or the export window.",
        "ko": "영상의 대비가 거의 없습니다. 노출 또는 내보내기 윈도를 확인해 주세요.",
    },
    "too_bright": {
        "en": "Most of the film is white; check the exposure or the export window.",
        "ko": "영상 대부분이 하얗습니다. 노출 또는 내보내기 윈도를 확인해 주세요.",
    },
    "too_dark": {
        "en": "Most of the film is black; check the exposure or the export window.",
        "ko": "영상 대부분이 검습니다. 노출 또는 내보내기 윈도를 확인해 주세요.",
    },
    "child": {
        "en": "The patient seems to be a child; the nets learned from adults, so do not rely on the scores.",
        "ko": "소아로 보입니다. 성인 영상으로 학습된 모델이므로 점수에 의존하지 마세요.",
    },
    "photograph": {
        "en": "This is a photo or screenshot of a film; scores are less reliable, so use the original file.",
        "ko": "촬영하거나 캡처한 영상입니다. 점수의 신뢰도가 낮으니 가능하면 원본을 사용해 주세요.",
    },
}

# The nets look at the lungs alone; where these are not found both, the whole film is read.
_LUNGS: dict[str, dict[Language, str]] = {
    "one_lung": {
        "en": "Only one lung was found, so the whole film was read; rely less on the scores.",
        "ko": "한쪽 폐만 찾아 영상 전체를 판독했습니다. 점수의 신뢰도가 낮으니 영상을 직접 확인해 주세요.",
    },
    "no_lungs": {
        "en": "No lungs were found, so the whole film was read; check that this is a frontal chest film "
        "before you trust a score.",
        "ko": "폐를 찾지 못해 영상 전체를 판독했습니다. 점수를 믿기 전에 정면 흉부 영상인지 확인해 주세요.",
    },
}

_NOTES: dict[str, dict[Language, str]] = {
    "righted": {
        "en": "The film was turned or inverted to stand upright before it was read; check the side marker.",
        "ko": "판독 전에 영상을 돌리거나 반전하여 바로 세웠습니다. 방향 표지를 확인해 주세요.",
    },
    "cut_out": {
        "en": "The film was cut out of a photo or screenshot before it was read; use the original file "
        "if you can.",
        "ko": "사진이나 화면에서 영상만 잘라 내어 판독했습니다. 가능하면 원본을 사용해 주세요.",
    },
    "read_anyway": {
        "en": "The film was read although the gate advised against it; rely less on the scores.",
        "ko": "게이트의 주의에도 불구하고 판독했습니다. 점수의 신뢰도가 낮습니다.",
    },
    "burned_in_text": {
        "en": "There is writing on this film: it may be a name. Look, and blank it before you pass "
        "the film on.",
        "ko": "영상에 글자가 있습니다. 이름일 수 있으니 확인하고, 내보내기 전에 지워 주세요.",
    },
    "text_blanked": {
        "en": "Writing on the film was blanked before it was read; what lay beneath it is not seen.",
        "ko": "판독 전에 영상의 글자를 지웠습니다. 글자 아래에 있던 부분은 보이지 않습니다.",
    },
    "text_harmless": {
        "en": "The reader looked at the writing on this film and found no name in it.",
        "ko": "판독자가 영상의 글자를 확인하였고 이름은 없었습니다.",
    },
    "synthetic": {
        "en": "This film was drawn by a program and shows no patient; use it for demonstration only.",
        "ko": "프로그램이 그린 가상 영상이며 실제 환자가 아닙니다. 시연용으로만 사용해 주세요.",
    },
    "colour": {
        "en": "The file was stored in colour and is read as grey; colour marks on it may hide lung.",
        "ko": "컬러로 저장된 파일을 흑백으로 읽었습니다. 색 표시가 폐를 가릴 수 있습니다.",
    },
    "unprocessed": {
        "en": "The film was stored before processing and looks flat; use the processed film if you can.",
        "ko": "처리 전 영상이라 대비가 낮습니다. 가능하면 처리된 영상을 사용해 주세요.",
    },
    "window_ignored": {
        "en": "The stored window would have shown nothing and was left out; check the brightness yourself.",
        "ko": "저장된 윈도로는 아무것도 보이지 않아 적용하지 않았습니다. 밝기를 직접 확인해 주세요.",
    },
    "turned_by_tag": {
        "en": "The film was turned or mirrored as its orientation tag says; check the side marker.",
        "ko": "방향 태그에 따라 영상을 돌리거나 뒤집었습니다. 방향 표지를 확인해 주세요.",
    },
    "narrow_depth": {
        "en": "The pixels use a part of the file's depth and were scaled to fit; check the brightness.",
        "ko": "파일 깊이의 일부만 사용되어 그에 맞게 조정했습니다. 밝기를 직접 확인해 주세요.",
    },
}

# What the nets could not tell; which net it was, the message beside the code says.
_NETS: dict[str, dict[Language, str]] = {
    "no_score": {
        "en": "A net gave no number for this film, so nothing of it is told; fetch the weights again.",
        "ko": "모델이 숫자를 내지 못해 결과를 표시하지 않습니다. 모델 파일을 다시 받아 주세요.",
    },
    "severity_failed": {
        "en": "A severity net is damaged or gave no number, so zones and scales were not read; "
        "fetch the weights again.",
        "ko": "중증도 모델이 손상되었거나 숫자를 내지 못해 구역과 척도를 읽지 않았습니다. "
        "모델 파일을 다시 받아 주세요.",
    },
}

# A CT series: what refuses it, and what is said beside its result.
_SERIES: dict[str, dict[Language, str]] = {
    "no_slices": {
        "en": "No CT slice was found; choose the folder, the ZIP or all files of one axial chest series.",
        "ko": "CT 단면을 찾지 못했습니다. 흉부 축상 시리즈의 폴더, ZIP 또는 전체 파일을 선택해 주세요.",
    },
    "synthetic_series": {
        "en": "This series was drawn by a program and shows no patient; use it for demonstration only.",
        "ko": "프로그램이 그린 가상 시리즈이며 실제 환자가 아닙니다. 시연용으로만 사용해 주세요.",
    },
    "not_axial": {
        "en": "The slices are not axial; choose the axial series of the examination.",
        "ko": "축상 단면이 아닙니다. 검사의 축상 시리즈를 선택해 주세요.",
    },
    "not_a_chest": {
        "en": "No lungs were found in the series; choose a CT series of the chest.",
        "ko": "시리즈에서 폐를 찾지 못했습니다. 흉부 CT 시리즈를 선택해 주세요.",
    },
    "too_many_slices": {
        "en": "The series has more slices than the limit; choose one series, or export thicker slices.",
        "ko": "단면 수가 한도를 넘습니다. 한 시리즈만 선택하거나 더 두꺼운 단면으로 내보내 주세요.",
    },
    "encrypted": {
        "en": "The ZIP is locked with a password; unlock it and choose its files.",
        "ko": "ZIP 파일에 암호가 걸려 있습니다. 암호를 푼 뒤 파일을 선택해 주세요.",
    },
    "too_short": {
        "en": "The series has too few slices for the rule, so nothing is decided; look at the boxes.",
        "ko": "연속된 단면이 규칙에 필요한 수보다 적어 판정하지 않았습니다. 표시된 상자를 확인해 주세요.",
    },
    "too_coarse": {
        "en": "The slices lie too far apart for the rule, so nothing is decided; look at the boxes.",
        "ko": "단면 간격이 너무 넓어 판정하지 않았습니다. 표시된 상자를 확인해 주세요.",
    },
    "uncalibrated": {
        "en": "The slices are pictures without Hounsfield units and were brought to the usual greys; "
        "rely less on the result.",
        "ko": "하운스필드 단위가 없는 그림이어서 밝기를 맞추어 읽었습니다. 결과의 신뢰도가 낮습니다.",
    },
    "by_name": {
        "en": "The order of the slices was taken from their names; check that it runs through the chest.",
        "ko": "파일 이름 순서로 단면을 배열했습니다. 순서가 맞는지 확인해 주세요.",
    },
    "gaps": {
        "en": "Slices are missing from the series; runs of slices end at each gap.",
        "ko": "시리즈에 빠진 단면이 있습니다. 빠진 곳에서는 연속으로 세지 않았습니다.",
    },
    "duplicates": {
        "en": "Several slices lie at the same place; the first of each was read.",
        "ko": "같은 위치의 단면이 여러 장 있어 첫 번째만 읽었습니다.",
    },
    "localizer_left_out": {
        "en": "Scouts and slices that are not axial were left out.",
        "ko": "스카우트 영상과 축상이 아닌 단면은 제외했습니다.",
    },
    "several_series": {
        "en": "The files hold several series; each was read by itself.",
        "ko": "여러 시리즈가 섞여 있어 각각 따로 읽었습니다.",
    },
    "masks_left_out": {
        "en": "Pictures of a few greys alone are masks and no slices; they were left out.",
        "ko": "몇 가지 밝기만 있는 그림은 마스크로 보아 제외했습니다.",
    },
    "files_left_out": {
        "en": "Some files hold no CT slice or cannot be read; they were left out.",
        "ko": "CT 단면이 아니거나 읽을 수 없는 파일은 제외했습니다.",
    },
    "sizes_differ": {
        "en": "The slices differ in size, so that quadrants of neighbours may not meet.",
        "ko": "단면의 크기가 서로 달라 이웃 단면의 사분면이 맞지 않을 수 있습니다.",
    },
    "stopped": {
        "en": "The reading was stopped before the end, so nothing is decided of the rest.",
        "ko": "판독을 도중에 멈추어 나머지는 판정하지 않았습니다.",
    },
}

FILM_CODES: Final = frozenset(_FILM)
GATE_CODES: Final = frozenset(_GATE)
LUNG_CODES: Final = frozenset(_LUNGS)
NET_CODES: Final = frozenset(_NETS)
SERIES_CODES: Final = frozenset(_SERIES)
NOTE_CODES: Final = frozenset(_NOTES) | {"photograph"}

SENTENCES: Final[Mapping[str, Mapping[Language, str]]] = MappingProxyType(
    _FILM | _GATE | _LUNGS | _NETS | _SERIES | _NOTES
)


def sentence(code: str, language: Language = "en") -> str:
    """The sentence of a code; KeyError for a code that is not in the table."""
    return SENTENCES[code][language]
